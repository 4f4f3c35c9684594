"""How long it takes to go anywhere: `python bench/timetravel.py [--positions 60] [--recording FILE]`.

On a recording of a Linux boot of at least 4.5 G ticks, opened afresh, at random positions: seeking there; the first
reverse-stepi and those after it; the same where the guest has run to; and reverse-continue to the previous hit of a
breakpoint, beside the time of going forward over the same part with the breakpoint set. Then a query for all writes to
one address, on one core and on two in turn; and what QEMU's record and replay takes, where QEMU is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import qemu_replay
from linux_guest import TICKS, recorded

import vmdbg
from vmdbg.debugger.stops import HistoryStart
from vmdbg.machine.snapshot import Position
from vmdbg.queries.copies import can_fork
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.units import Tick

BREAKPOINTS = ("vfs_read", "__alloc_pages", "do_sys_openat2", "kmem_cache_create_usercopy", "rest_init")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--positions", type=int, default=60)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--ticks", type=int, default=TICKS)
    parser.add_argument("--without-qemu", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="of the query")
    parser.add_argument("--only-query", type=int, metavar="WORKERS", help="ask once and print it as JSON")
    options = parser.parse_args()
    if options.only_query:
        print(json.dumps(ask(options.recording, options.only_query)))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = options.recording or Path(directory) / "linux.vmdbg"
        recorded(path, options.ticks)
        with vmdbg.open_recording(path) as guest:
            print(f"recording of {guest.end} ticks, {path.stat().st_size / 2**20:.1f} MiB")
            steps(guest, options.positions)
        with vmdbg.open_recording(path) as guest:
            hits(guest, max(4, options.positions // 6))
            guest.seek("end")
            busy = guest.address_of(BREAKPOINTS[2])
        queries(path, options.rounds)
        if not options.without_qemu:
            for line in qemu_replay.measured(busy):
                print(line)


def steps(guest: vmdbg.Guest, count: int) -> None:
    random_ = random.Random(1)
    seeks, first, later = [], [], []
    for _ in range(count):
        position = Position(Tick(random_.randrange(guest.end.tick)))
        seeks.append(timed(lambda position=position: guest.timeline.seek(position)))
        first.append(timed(lambda: reverse_step(guest.timeline)))
        later += [timed(lambda: reverse_step(guest.timeline)) for _ in range(10)]
    ran_to = []
    for _ in range(count):
        position = Position(Tick(random_.randrange(guest.end.tick)))
        guest.timeline.seek(position)
        guest.run(random_.randrange(300_000_000))
        ran_to.append(timed(lambda: reverse_step(guest.timeline)))
    show("seek anywhere", seeks, "at most 1 s")
    show("reverse-stepi where the guest has run to", ran_to, "median 150 ms, p99 600 ms")
    show("reverse-stepi, first visit", first, "median 150 ms, p99 600 ms")
    show("reverse-stepi, stepping on", later, "20 ms")


def hits(guest: vmdbg.Guest, count: int) -> None:
    guest.seek("end")
    addresses = {name: guest.address_of(name) for name in BREAKPOINTS}
    random_ = random.Random(2)
    worst = 0.0
    for index in range(count):
        name = BREAKPOINTS[index % len(BREAKPOINTS)]
        origin = Position(Tick(random_.randrange(guest.end.tick // 4, guest.end.tick)))
        guest.timeline.seek(origin)
        origin = guest.position
        point = guest.break_at(addresses[name])
        backward, stop = timed_with(guest.reverse_run)
        hit = guest.position
        forward = timed(lambda origin=origin: guest.timeline.run(origin.tick, over_breakpoint=True))
        guest.delete(point)
        allowed = 1.5 * forward + 1
        worst = max(worst, backward / allowed)
        back = f"hit {(origin.tick - hit.tick) / 1e6:.1f} M back"
        where = "no hit before" if isinstance(stop, HistoryStart) else back
        print(f"reverse-continue to {name}: {backward:.2f} s, {where}; forward {forward:.2f} s, bar {allowed:.2f} s")
    print(f"reverse-continue, worst share of the bar: {worst:.2f}")


def queries(path: Path, rounds: int) -> None:
    """One core and two in turn, each in a process of its own, as a user asks once."""
    asked: dict[int, list[Answer]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, answers in asked.items():
            answers.append(ask_afresh(path, workers))
        print("  ".join(f"{workers} worker(s): {answers[-1].seconds:.2f} s" for workers, answers in asked.items()))
    all_rows = {answer.rows for answers in asked.values() for answer in answers}
    seconds, used = (
        {workers: statistics.median(getattr(answer, name) for answer in answers) for workers, answers in asked.items()}
        for name in ("seconds", "used")
    )
    ratios = [one.seconds / two.seconds for one, two in zip(asked[1], asked[2], strict=True)]
    print(
        f"all {asked[1][0].written} writes to one address, medians of {rounds}: "
        f"{seconds[1]:.2f} and {seconds[2]:.2f} s; "
        f"speed-up {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f} (bar 1.7), "
        f"the same rows: {len(all_rows) == 1}"
    )
    print(f"by CPU time, where two cores are free: {used[1] / (used[2] / 2):.2f} ({used[1]:.2f} and {used[2]:.2f} s)")


class Answer(NamedTuple):
    """To the query: seconds by the clock and of CPU time, how many rows, and a digest of them."""

    seconds: float
    used: float
    written: int
    rows: str


def ask_afresh(path: Path, workers: int) -> Answer:
    command = [sys.executable, __file__, "--recording", str(path), "--only-query", str(workers)]
    return Answer(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def ask(path: Path, workers: int) -> Answer:
    with vmdbg.open_recording(path) as guest:
        guest.seek("end")
        address = guest.address_of("jiffies_64") if _has(guest, "jiffies_64") else guest.registers.rsp & ~7
        guest.seek("start")
        asked, before = guest.queries.using(workers=workers), cpu_seconds()
        seconds, rows = timed_with(lambda: asked.writes(address, 8))
        can_fork()  # waits for copies to end, whose CPU time counts only then
        assert isinstance(rows, list)
        return Answer(seconds, cpu_seconds() - before, len(rows), sha256(repr(rows).encode()).hexdigest())


def _has(guest: vmdbg.Guest, name: str) -> bool:
    try:
        guest.address_of(name)
    except vmdbg.UserError:
        return False
    return True


def cpu_seconds() -> float:
    """Of this process and of those that have ended."""
    return sum(os.times()[:4])


def timed(action: object) -> float:
    return timed_with(action)[0]


def timed_with(action: object) -> tuple[float, object]:
    began = time.perf_counter()
    result = action()  # type: ignore[operator]  # a callable
    return time.perf_counter() - began, result


def show(what: str, seconds: Sequence[float], bar: str) -> None:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(
        f"{what}: median {statistics.median(ordered) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
        f"worst {ordered[-1] * 1e3:.0f} ms of {len(ordered)} (bar: {bar})"
    )


if __name__ == "__main__":
    main()
