"""TCP between a Linux guest and this host, and pings, here and in QEMU's TCG, both by libslirp.

    python bench/network.py [--mib 32] [--pings 300] [--model virtio ...] [--json FILE]

Each boots the same kernel and initrd. A guest's httpd gives a file to this host, and nc takes one from it. Figures are
MiB a CPU second of user and system together, and CPU microseconds a ping; the guest's part is in them, as in QEMU's.
QEMU is measured as it comes, and told to offer no offloads, as vmdbg's default device offers none. It makes little
difference: with libslirp QEMU withholds them from the guest anyhow.
"""

from __future__ import annotations

import argparse
import functools
import json
import socket
import socketserver
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import disk_io

from tests import linux_assets
from tests.guest_terminal import TIMEOUT
from tests.vmdbg.machine.test_linux_network import network_initrd

CHUNK = 1 << 16
BAR = 0.4
MODELS = ("virtio", "virtio-tso", "e1000", "rtl8139")
OFFLOADS = (
    "csum", "gso", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "host_tso4", "host_tso6",
    "host_ecn", "host_ufo",
)  # fmt: skip
"""QEMU's names for what its device may offer."""
QEMU, PLAIN_QEMU = "QEMU", "QEMU, plain"


class Source(socketserver.BaseRequestHandler):
    """Gives so much."""

    size = 0

    def handle(self) -> None:
        for _ in range(self.size // CHUNK):
            self.request.sendall(bytes(CHUNK))


@contextmanager
def served() -> Iterator[int]:
    """The port of this host at which a Source is."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Source) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def vmdbg(model: str, port: int) -> list[str]:
    words = [sys.executable, "-m", "vmdbg", "run", "--kernel", str(linux_assets.cloud_kernel()), "--initrd"]
    net = f"user,model={model},hostfwd=tcp::{port}-:80"
    return [*words, str(network_initrd()), "--net", net, "--serial", "unix:SERIAL"]


def qemu(port: int, *, plain: bool = False) -> list[str]:
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-m", "256", "-display", "none", "-no-reboot"]
    words += ["-kernel", str(linux_assets.cloud_kernel()), "-initrd", str(network_initrd()), "-append", "console=ttyS0"]
    off = "".join(f",{name}=off" for name in OFFLOADS) if plain else ""
    words += ["-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80", "-device", f"virtio-net-pci,netdev=n{off}"]
    return [*words, "-serial", "unix:SERIAL,server=on,wait=off"]


def measured(command: list[str], port: int, mib: int, pings: int) -> dict[str, float]:
    """MiB a CPU second to the host and from it, microseconds a ping."""
    Source.size = mib << 20
    with served() as source, disk_io.booted(command) as (process, terminal):

        def typed(line: str) -> None:
            terminal.type(f"{line}; echo ended-$((40 + 2))-$?")
            terminal.wait(rb"ended-42-0")

        def spent(work: Callable[[], object]) -> float:
            used = disk_io.cpu_seconds(process.pid)
            work()
            return disk_io.cpu_seconds(process.pid) - used

        def download() -> None:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/big", timeout=TIMEOUT) as answer:
                assert len(answer.read()) == mib << 20

        terminal.wait(rb"~ # ")
        typed(f"dd if=/dev/zero of=/big bs=1M count={mib}; busybox httpd -h /")
        return {
            "to the host": mib / spent(download),
            "from the host": mib / spent(lambda: typed(f"busybox nc 10.0.2.2 {source} > /dev/null")),
            "pings": spent(lambda: typed(f"busybox ping -q -A -c {pings} 10.0.2.2 > /dev/null")) / pings * 1e6,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=32)
    parser.add_argument("--pings", type=int, default=300)
    parser.add_argument("--model", action="append", choices=MODELS, help="of vmdbg's network device")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    def row(command: Callable[[int], list[str]]) -> dict[str, float]:
        port = free_port()
        return measured(command(port), port, arguments.mib, arguments.pings)

    rows = {QEMU: row(qemu), PLAIN_QEMU: row(functools.partial(qemu, plain=True))}
    print(f"{'':16}{'':12}{'vmdbg':>10}{QEMU:>10}{PLAIN_QEMU:>14}{'vmdbg / it':>12}{'bar':>6}")
    for model in arguments.model or MODELS[:2]:
        rows[model] = row(functools.partial(vmdbg, model))
        for what, ours in rows[model].items():
            theirs, plain = rows[QEMU][what], rows[PLAIN_QEMU][what]
            unit, bar = ("us each", " " * 6) if what == "pings" else ("MiB / CPU s", f"{BAR:6}")
            ratio = f"{ours / theirs:11.2f}x"
            print(f"{what:16}{model:12}{ours:10.1f}{theirs:10.1f}{plain:14.1f}{ratio}{bar}  {unit}", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
