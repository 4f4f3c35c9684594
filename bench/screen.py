"""What a full screen and the ports of a display cost, here and in QEMU, by CPU time.

    python bench/screen.py [--rounds 3] [--json FILE]

A boot sector does it; what the same costs without is taken off. Nobody looks at either. QEMU's retrace is there at each
second look, here it is when it is.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.guests.build import require

KINDS = {
    "VBE 1024x768x32": 3000,
    "mode 13h": 100_000,
    "640x480 in planes": 1000,
    "text 80x25": 10_000,
    "dots by bit mask": 100,
    "256 colours": 20_000,
    "cursor": 2_000_000,
    "wait for retrace": 10,
}
"""And how often it is done."""


def disk(kind: int, count: int, directory: Path) -> Path:
    path = directory / f"{kind}-{count}.img"
    source = Path(__file__).with_name("screen.asm")
    words = [require("nasm"), "-f", "bin", f"-DKIND={kind}", f"-DCOUNT={count}", str(source), "-o", str(path)]
    subprocess.run(words, check=True)
    path.write_bytes(path.read_bytes().ljust(1 << 20, b"\0"))
    return path


def ours(path: Path) -> list[str]:
    return [sys.executable, "-m", "vmdbg", "run", "--disk", str(path), "--vga", "std", "--serial", "none"]


def theirs(path: Path) -> list[str]:
    exits = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    machine = ["-machine", "pc,accel=tcg", "-m", "256", "-display", "none", "-vga", "std", "-serial", "none"]
    return [require("qemu-system-x86_64"), *machine, *exits, "-drive", f"file={path},format=raw,if=ide"]


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=KINDS, action="append", help="of all that can be measured")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for kind, (name, count) in enumerate(KINDS.items()):
            if options.only and name not in options.only:
                continue
            costs = []
            for command in (ours, theirs):
                empty, full = disk(kind, 0, Path(scratch)), disk(kind, count, Path(scratch))
                spent = [cpu_seconds(command(full)) - cpu_seconds(command(empty)) for _ in range(options.rounds)]
                costs.append(max(statistics.median(spent), 0.0) / count)
            here, there = costs
            ratio = here / there if there else None
            rows.append({"screen": name, "here_us": here * 1e6, "qemu_us": there * 1e6, "ratio": ratio})
            shown = "-" if ratio is None else f"{ratio:6.2f}"
            print(f"{name:20} {here * 1e6:10.1f} us {there * 1e6:10.1f} us  {shown:>6}")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
