"""TCP between a Linux guest and this host, and pings, here and in QEMU's TCG, both by libslirp.

    python bench/network.py [--mib 16] [--pings 300] [--model virtio] [--json FILE]

Each boots the same kernel and initrd. Figures are MiB a CPU second of user and system together, from the command to its
end, and CPU microseconds a ping; the guest's part is in them, as it is in QEMU's.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import disk_io

from tests import linux_assets
from tests.vmdbg.machine.test_linux_network import network_initrd

CHUNK = 1 << 16
BAR = 0.4


class Drain(socketserver.BaseRequestHandler):
    """Takes all and says nothing."""

    def handle(self) -> None:
        while self.request.recv(CHUNK):
            continue


class Source(socketserver.BaseRequestHandler):
    """Gives so much."""

    size = 0

    def handle(self) -> None:
        for _ in range(self.size // CHUNK):
            self.request.sendall(bytes(CHUNK))


@contextmanager
def served(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """The port of this host at which it is."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def vmdbg(model: str) -> list[str]:
    words = [sys.executable, "-m", "vmdbg", "run", "--kernel", str(linux_assets.cloud_kernel())]
    return [*words, "--initrd", str(network_initrd()), "--net", f"user,model={model}", "--serial", "unix:SERIAL"]


def qemu() -> list[str]:
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-m", "256", "-display", "none", "-no-reboot"]
    words += ["-kernel", str(linux_assets.cloud_kernel()), "-initrd", str(network_initrd())]
    words += ["-append", "console=ttyS0", "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"]
    return [*words, "-serial", "unix:SERIAL,server=on,wait=off"]


def measured(command: list[str], mib: int, pings: int) -> dict[str, float]:
    """MiB a CPU second to the host and from it, microseconds a ping."""
    found: dict[str, float] = {}
    Source.size = mib << 20
    with served(Drain) as drain, served(Source) as source, disk_io.booted(command) as (process, terminal):
        terminal.wait(rb"~ # ")
        lines = {
            "to the host": f"busybox dd if=/dev/zero bs=64k count={mib * 16} | busybox nc 10.0.2.2 {drain}",
            "from the host": f"busybox nc 10.0.2.2 {source} > /dev/null",
            "pings": f"busybox ping -q -A -c {pings} 10.0.2.2 > /dev/null",
        }
        for what, line in lines.items():
            used = disk_io.cpu_seconds(process.pid)
            terminal.type(f"{line}; echo ended-$((40 + 2))-$?")
            terminal.wait(rb"ended-42-0")
            spent = disk_io.cpu_seconds(process.pid) - used
            found[what] = spent / pings * 1e6 if what == "pings" else mib / spent
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=16)
    parser.add_argument("--pings", type=int, default=300)
    parser.add_argument("--model", default="virtio-tso", help="of vmdbg's network device (virtio-tso)")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    rows = {
        "vmdbg": measured(vmdbg(arguments.model), arguments.mib, arguments.pings),
        "qemu": measured(qemu(), arguments.mib, arguments.pings),
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
