"""TCP between a Linux guest and this host, and pings, here and in QEMU's TCG, both by libslirp.

    python bench/network.py [--mib 16] [--pings 300] [--model virtio] [--json FILE]

Each boots the same kernel and initrd. A guest's httpd gives a file to this host, and nc takes one from it. Figures are
MiB a CPU second of user and system together, and CPU microseconds a ping; the guest's part is in them, as in QEMU's.
"""

from __future__ import annotations

import argparse
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


def qemu(port: int) -> list[str]:
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-m", "256", "-display", "none", "-no-reboot"]
    words += ["-kernel", str(linux_assets.cloud_kernel()), "-initrd", str(network_initrd()), "-append", "console=ttyS0"]
    words += ["-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80", "-device", "virtio-net-pci,netdev=n"]
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
    parser.add_argument("--mib", type=int, default=16)
    parser.add_argument("--pings", type=int, default=300)
    parser.add_argument("--model", default="virtio-tso", help="of vmdbg's network device (virtio-tso)")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    ports = free_port(), free_port()
    rows = {
        "vmdbg": measured(vmdbg(arguments.model, ports[0]), ports[0], arguments.mib, arguments.pings),
        "qemu": measured(qemu(ports[1]), ports[1], arguments.mib, arguments.pings),
    }
    print(f"{'':16}{'vmdbg':>10}{'QEMU':>10}{'vmdbg / it':>12}{'bar':>6}")
    for what, ours in rows["vmdbg"].items():
        theirs = rows["qemu"][what]
        unit, bar = ("us each", "") if what == "pings" else ("MiB / CPU s", f"{BAR:6}")
        print(f"{what:16}{ours:10.1f}{theirs:10.1f}{ours / theirs:11.2f}x{bar}  {unit}", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
