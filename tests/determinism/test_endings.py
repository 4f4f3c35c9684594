"""However a guest ends, its end can be stepped back from and to, gone to, recorded and replayed, in one state."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.determinism.random_guests import flat_origin, random_origin
from tests.guests.build import assemble
from vmdbg.boot.image import CpuMode
from vmdbg.engine.exits import LimitReached, StopRequested, Stuck, TripleFault, VoidFetch
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import LONGEST_WAIT
from vmdbg.machine.outcome import HaltedForever, PoweredOff, ResetRequested, TestExited
from vmdbg.machine.snapshot import Position
from vmdbg.recording.replay import replay_file
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Physical, Tick

NEVER = Tick(1 << 62)
LIMIT = Tick(20_000)
"""Of a guest that goes on and on."""
LAST_TICKS, MOST_STEPS = 60, 40
RAM_END = 2 << 20

ENDS: dict[str, tuple[CpuMode, str, object]] = {
    "void": (CpuMode.LONG64, "mov eax, 0x896f4ec\njmp rax", VoidFetch(Linear(0x896F4EC), Physical(0x896F4EC))),
    "into the void": (
        CpuMode.LONG64,
        f"mov eax, {RAM_END - 1}\njmp rax",
        VoidFetch(Linear(RAM_END), Physical(RAM_END)),
    ),
    "void after a fault": (CpuMode.LONG64, "mov eax, 0x896f4ec\nmov ebx, [rax]\ncall rax", None),
    "unpaged void": (CpuMode.PROTECTED32, "mov eax, 0x200000\ncall eax", None),
    "stuck": (
        CpuMode.REAL,
        "mov ax, 0x2000\nmov ss, ax\nmov word [24], there\nmov [26], cs\nud2\nthere: ud2",
        Stuck(),
    ),
    "triple fault": (CpuMode.PROTECTED32, "lidt [esp + 0x100]\nint3", TripleFault()),
    "halted": (CpuMode.PROTECTED32, "cli\nhlt", HaltedForever(False)),
    "halted, and timers tick on": (CpuMode.REAL, "mov al, 0xff\nout 0x21, al\nsti\nhlt", LimitReached()),
    "reset": (CpuMode.REAL, "mov al, 0xfe\nout 0x64, al\nnop", ResetRequested()),
    "power off": (CpuMode.REAL, "mov dx, 0x604\nmov ax, 0x2000\nout dx, ax\nnop", PoweredOff()),
    "test exit": (CpuMode.REAL, "mov al, 3\nout 0xf4, al\nnop", TestExited(7)),
    "test exit by a string instruction": (
        CpuMode.REAL,
        "mov dx, 0xf4\nmov cx, 3\nmov si, 0x1000\nrep outsb\nnop",
        None,
    ),
}
BITS = {CpuMode.REAL: 16, CpuMode.PROTECTED32: 32, CpuMode.LONG64: 64}


def check_ending(origin: BootOrigin, path: Path, rng: random.Random) -> TimelineOutcome:
    """Record a guest to its end, or LIMIT; then everything that comes by there."""
    timeline = Timeline(origin.machine(), origin=origin)
    machine = timeline.machine
    writer = start_recording(path, timeline)
    while isinstance(outcome := timeline.run(LIMIT), StopRequested):
        pass
    end, seen = timeline.position, digest(machine)
    again = timeline.run(LIMIT)
    assert (type(again), timeline.position, digest(machine)) == (type(outcome), end, seen), f"{again} after {outcome}"
    writer.close()
    before = reverse_step(timeline)
    known = {end: seen, before: digest(machine)}
    if not machine.halted:  # else it waits until something wakes it
        timeline.step()
        assert (timeline.position, digest(machine)) == (end, seen), "stepped back and on"
    timeline.seek(timeline.start)
    timeline.seek(end)
    assert (timeline.position, digest(machine)) == (end, seen), "gone to the end"
    middle = Position(Tick(rng.randrange(timeline.start.tick, end.tick + 1)))
    timeline.seek(middle)
    known[timeline.position] = digest(machine)
    machine.close()
    _check_replay(path, known, end)
    return outcome


def _check_replay(path: Path, known: dict[Position, object], end: Position) -> None:
    timeline = replay_file(path)
    assert timeline.end == end
    timeline.run(NEVER)
    assert (timeline.position, digest(timeline.machine)) == (end, known[end]), "replayed"
    for position, seen in sorted(known.items(), reverse=True):
        timeline.seek(position)
        assert (timeline.position, digest(timeline.machine)) == (position, seen), "gone to in the replay"
    timeline.seek(max(timeline.start, Position(Tick(end.tick - LAST_TICKS))))
    for _ in range(MOST_STEPS):
        if timeline.position < end:
            timeline.step()
    timeline.seek(end)
    assert digest(timeline.machine) == known[end], "stepped to in the replay"
    timeline.machine.close()


def _check_random_guests(seeds: range, directory: Path) -> None:
    for seed in seeds:
        try:
            check_ending(random_origin(seed), directory / f"{seed}.rec", random.Random(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        (directory / f"{seed}.rec").unlink()


@pytest.mark.parametrize("name", ENDS)
def test_every_ending(name: str, tmp_path: Path) -> None:
    mode, source, expected = ENDS[name]
    address = 0x1000 if mode is CpuMode.REAL else 0x100000
    code = assemble(f"bits {BITS[mode]}\n" + source, origin=address)
    outcome = check_ending(flat_origin(code, mode, address=address), tmp_path / "guest.rec", random.Random(1))
    assert outcome == expected if expected is not None else not isinstance(outcome, LimitReached)


def test_a_step_of_a_cpu_that_nothing_wakes_can_be_ended() -> None:
    mode, source, _ = ENDS["halted, and timers tick on"]
    machine = flat_origin(assemble("bits 16\n" + source), mode, address=0x1000).machine()
    machine.run(LIMIT)
    assert machine.halted
    assert machine.step() == StopRequested()
    assert machine.clock == LIMIT + LONGEST_WAIT
    assert machine.step(Tick(machine.clock + 5)) == LimitReached()
    machine.close()


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_guests(first: int, tmp_path: Path) -> None:
    _check_random_guests(range(first, first + 100), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 11_000, 1000))
def test_random_guests_for_long(first: int, tmp_path: Path) -> None:
    _check_random_guests(range(first, first + 1000), tmp_path)
