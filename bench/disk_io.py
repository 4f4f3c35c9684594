"""Reads and writes a Debian disk with dd, here and in QEMU, and prints how fast each is.

    python bench/disk_io.py [--bus virtio|ide|ahci|nvme ...] [--mib 64] [--json FILE]

Each boots the same image to its login, logs in on COM1 and runs dd past the guest's page cache. Figures are MiB a CPU
second of user and system together, from the command to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import disk

from tests import linux_assets
from tests.guest_terminal import SilentGuestError, Terminal

BAR = 0.5
DEVICES = {"virtio": "vda", "ide": "sda", "ahci": "sda", "nvme": "nvme0n1"}
COMMANDS = {
    "read": "dd if=/dev/{device} of=/dev/null bs=1M count={mib} iflag=direct",
    "write": "dd if=/dev/zero of=/var/tmp/written bs=1M count={mib} oflag=direct",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bus", action="append", choices=DEVICES)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    image = linux_assets.debian_disk()
    rows: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'MiB a CPU s':12}{'vmdbg':>10}{'QEMU':>10}{'vmdbg / it':>12}{'bar':>6}")
    for bus in arguments.bus or ["virtio"]:
        rows[bus] = {
            "vmdbg": measured(disk.vmdbg(image, bus), "unix:SERIAL", bus, arguments.mib),
            "qemu": measured(disk.qemu(image, bus), "unix:SERIAL,server=on,wait=off", bus, arguments.mib),
        }
        for what in COMMANDS:
            ours, theirs = rows[bus]["vmdbg"][what], rows[bus]["qemu"][what]
            print(f"{bus + ' ' + what:12}{ours:10.0f}{theirs:10.0f}{ours / theirs:11.2f}x{BAR:6}", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


def measured(command: list[str], serial: str, bus: str, mib: int) -> dict[str, float]:
    """MiB a CPU second of each command."""
    speeds: dict[str, float] = {}
    with booted([word.replace("file:SERIAL", serial) for word in command]) as (process, terminal):
        terminal.log_in()
        for what, line in COMMANDS.items():
            used = cpu_seconds(process.pid)
            terminal.type(line.format(device=DEVICES[bus], mib=mib) + "; echo ended-$((40 + 2))-$?")
            terminal.wait(rb"ended-42-0")
            speeds[what] = mib / (cpu_seconds(process.pid) - used)
    return speeds


@contextmanager
def booted(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "serial"
        process = subprocess.Popen(
            [word.replace("SERIAL", str(path)) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            terminal = Terminal(path, process)
            yield process, terminal
            terminal.close()
        except SilentGuestError as error:
            raise SystemExit(str(error)) from None
        finally:
            process.kill()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """Of user and system, that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
