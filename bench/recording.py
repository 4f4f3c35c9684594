"""What recording costs, and whether replays agree: `python bench/recording.py [--rounds 3] [--replays 10] [--ticks N]`.

Rounds alternate between a run that keeps nothing, one whose inputs and digests are recorded, and one that takes
checkpoints too. Wall and CPU seconds; on a machine that does other work, the CPU seconds are the ones to believe.
Then other processes replay the last recording with --verify.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from linux_guest import ROOT, TICKS, launch, run

from vmdbg.recording.blocks import CACHE, Kind, scan
from vmdbg.recording.writer import start_recording

BARS = {"log": 1.03, "log and checkpoints": 1.11}
LOG_BAR = 64 << 10


def nothing(_path: Path, ticks: int) -> None:
    """The same run on a timeline that takes neither checkpoints nor digests."""
    with launch() as guest:
        guest.timeline.keeping.wanted = False
        run(guest, ticks)


def log(path: Path, ticks: int) -> None:
    with launch() as guest:
        guest.timeline.keeping.wanted = False
        writer = start_recording(path, guest.timeline, checkpoints=False)
        run(guest, ticks)
        writer.close()


def everything(path: Path, ticks: int) -> None:
    with launch(record=path) as guest:
        run(guest, ticks)


WAYS: dict[str, Callable[[Path, int], None]] = {"nothing": nothing, "log": log, "log and checkpoints": everything}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replays", type=int, default=10)
    parser.add_argument("--ticks", type=int, default=TICKS)
    options = parser.parse_args()
    wall: dict[str, list[float]] = {name: [] for name in WAYS}
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "linux.vmdbg"
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                path.unlink(missing_ok=True)
                began, used = time.perf_counter(), time.process_time()
                way(path, options.ticks)
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - used)
                print(f"{name}: {wall[name][-1]:.2f} s, CPU {cpu[name][-1]:.2f} s", file=sys.stderr)
        for name, bar in BARS.items():
            ratios = [statistics.median(times[name]) / statistics.median(times["nothing"]) for times in (wall, cpu)]
            print(f"recording {name}: {ratios[0]:.3f} x wall, {ratios[1]:.3f} x CPU (bar {bar})")
        sizes(path)
        replays(path, options.replays)


def sizes(path: Path) -> None:
    """How large the parts of the file are."""
    with path.open("rb") as file:
        blocks = [
            (block.kind, block.end - block.offset)
            for block in scan(file, path.stat().st_size)
            if hasattr(block, "kind") and block.kind is not None and hasattr(block, "checksum")
        ]
    cache = sum(size for kind, size in blocks if kind in CACHE)
    embedded = sum(size for kind, size in blocks if kind == Kind.CONTENT)
    rest = sum(size for _, size in blocks) - cache - embedded
    print(
        f"log {rest / 1024:.1f} KiB (bar {LOG_BAR / 1024:.0f}), embedded {embedded / 2**20:.1f} MiB, "
        f"checkpoints {cache / 2**20:.1f} MiB"
    )


def replays(path: Path, count: int) -> None:
    command = [sys.executable, "-m", "vmdbg", "replay", "--verify", "--quiet", str(path)]
    good = sum(subprocess.run(command, cwd=ROOT, check=False).returncode == 0 for _ in range(count))
    print(f"{good} of {count} replays agree with the recording")


if __name__ == "__main__":
    main()
