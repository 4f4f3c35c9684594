"""What programs in a Linux guest cost, here and in QEMU: a row for each kind of work, by CPU time.

    python bench/work.py [ROW ...] [--rounds 3] [--json FILE]

Both boot Debian's cloud kernel with the same initrd, each with its default CPU, and run the same program (work.c); the
one that is not measured stands still. The ratio is that of the medians; both must print the same sums.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import boot
from disk_io import booted, cpu_seconds

from tests import linux_assets
from tests.guest_terminal import Terminal
from tests.guests.build import build_program

BAR = 1.0
X87_BAR = 2.0
WORK = {
    "integer": 200,
    "branchy": 80,
    "memcpy": 30,
    "matmul": 100,
    "x87": 15,
    "syscalls": 30,
    "faults": 40,
    "fork": 12,
    "pipes": 6,
}
"""How often each is done."""


class Guest:
    """A booted one at its shell, standing still."""

    def __init__(self, stack: ExitStack, command: list[str], serial: str) -> None:
        words = [word.replace("file:SERIAL", serial) for word in command]
        self._process: subprocess.Popen[bytes]
        self._terminal: Terminal
        self._process, self._terminal = stack.enter_context(booted(words))
        self._terminal.wait(re.escape(linux_assets.PROMPT.encode()))
        self._process.send_signal(signal.SIGSTOP)

    def run(self, row: str, times: int) -> tuple[float, int]:
        """CPU seconds, and the sum that the program has printed."""
        self._process.send_signal(signal.SIGCONT)
        began = cpu_seconds(self._process.pid)
        self._terminal.type(f"/work {row} {times}")
        (printed,) = self._terminal.wait(row.encode() + rb": (\d+)\r?\n").groups()
        used = cpu_seconds(self._process.pid) - began
        self._terminal.wait(re.escape(linux_assets.PROMPT.encode()))
        self._process.send_signal(signal.SIGSTOP)
        return used, int(printed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="*", choices=[*WORK, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    program = build_program(
        (Path(__file__).parent / "work.c").read_text(), ["-static", "-no-pie", "-fno-pie", "-fno-math-errno"]
    )
    kernel, initrd = linux_assets.cloud_kernel(), linux_assets.busybox_initrd({"work": program.read_bytes()})
    rows: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        ours = Guest(stack, boot.vmdbg(kernel, initrd), "unix:SERIAL")
        theirs = Guest(stack, boot.qemu(kernel, initrd), "unix:SERIAL,server=on,wait=off")
        print(f"{'CPU s':10}{'vmdbg':>9}{'QEMU':>9}{'vmdbg / it':>12}{'bar':>6}")
        for row in arguments.row or WORK:
            rows[row] = measured(row, ours, theirs, arguments.rounds)
            mine, other = (statistics.median(seconds) for seconds in rows[row].values())
            bar = X87_BAR if row == "x87" else BAR
            print(f"{row:10}{mine:9.2f}{other:9.2f}{mine / other:11.2f}x{bar:6}", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


def measured(row: str, ours: Guest, theirs: Guest, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each round. Raises SystemExit if the two computed different things."""
    seconds: dict[str, list[float]] = {"vmdbg": [], "qemu": []}
    for _ in range(rounds):
        (mine, sum_here), (other, sum_there) = ours.run(row, WORK[row]), theirs.run(row, WORK[row])
        if sum_here != sum_there:
            raise SystemExit(f"{row}: {sum_here} here and {sum_there} in QEMU")
        seconds["vmdbg"].append(mine)
        seconds["qemu"].append(other)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
