"""Drivers of floppies that do anything at any time: nothing breaks or grows, and what is saved is all there is."""

from __future__ import annotations

import random

import msgspec
import pytest

from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.disk.fdc_state import FdcState, Phase
from tests.devices.disk.floppy_bench import FIFO, FloppyBench, content

OPERATIONS = 5000
DISC = content()[: 720 << 10]
COMMANDS = [
    *(0xE6, 0x66, 0xC5, 0x45, 0x42, 0x4C, 0x6C, 0xC9, 0x4D, 0x4A, 0x4A, 0x76, 0xF6, 0xF1, 0xF9, 0xFD, 0x07, 0x0F, 0x8F),
    *(0xCF, 0x08, 0x08, 0x04, 0x03, 0x13, 0x12, 0x14, 0x94, 0x0E, 0x10, 0x18),
]
SMALL = [0, 1, 2, 9, 18, 19, 79, 80, 0xFF]
Step = tuple[str, int, int]


def operation(chance: random.Random) -> Step:
    kind = chance.random()
    if kind < 0.25:
        return "pass", 0, 0
    if kind < 0.45:
        return "read", chance.choice([0x3F0, 0x3F2, 0x3F4, FIFO, FIFO, FIFO, 0x3F7]), 0
    if kind < 0.75:
        return "write", FIFO, chance.choice([*COMMANDS, *SMALL, *SMALL, chance.randrange(256)])
    if kind < 0.80:
        return "write", 0x3F2, chance.choice([0x1C, 0x1C, 0x3C, 0x14, 0x18, chance.randrange(256)])
    if kind < 0.83:
        return "write", chance.choice([0x3F3, 0x3F4, 0x3F7]), chance.choice([0, 0, 2, 0x80, chance.randrange(256)])
    if kind < 0.86:
        return "disc", chance.randrange(3), 0
    if kind < 0.90:
        size = chance.choice([1, 512, 700, 5 * 512, 1 << 16])
        return "prepare", chance.randrange(1 << 16), size << 1 | chance.getrandbits(1)
    return "write", chance.randrange(16), chance.randrange(256)


def perform(bench: FloppyBench, step: Step) -> int | None:
    what, number, value = step
    drive = bench.drives[0]
    match what:
        case "pass":
            bench.pass_time()
        case "read":
            return bench.read(number)
        case "write":
            bench.write(number, value)
        case "prepare":
            bench.prepare(number, value >> 1, to_memory=bool(value & 1))
        case "disc":
            drive.take(EjectDisc(drive.name) if number == 2 else InsertDisc(drive.name, "ab"[number]), bench.board.now)
    return None


def check(bench: FloppyBench) -> None:
    state = bench.fdc.save()
    assert len(state.command) < 9
    assert len(state.result) <= 10
    assert len(state.buffer) <= 4 * 255
    assert state.index <= len(state.buffer)
    assert (state.phase is Phase.RESULT) == bool(state.result)
    assert len(bench.board.scheduler.events()) <= 6
    if state.phase is Phase.EXECUTION and not state.flow:
        assert any(event.name == "execute" for event in bench.board.scheduler.events())
    for device in (bench.fdc, *bench.drives, bench.discs, bench.board.dma):
        assert device.describe(bench.board.now)


@pytest.mark.parametrize("seed", range(2))
def test_anything_at_any_time(seed: int) -> None:
    anything(seed, OPERATIONS)


def anything(seed: int, operations: int) -> int:
    """So many operations on a new board. Returns how many."""
    chance, bench = random.Random(seed), FloppyBench(DISC)
    bench.board.ram.write(0, chance.randbytes(1 << 16))
    for number in range(operations):
        perform(bench, operation(chance))
        if number % 50 == 0:
            check(bench)
    assert bytes(bench.media["a"].data) == DISC
    return operations


def saved(bench: FloppyBench) -> tuple[object, ...]:
    devices = (bench.fdc, *bench.drives, bench.discs, bench.board.dma)
    pages = [dict(area.filled()) for area in bench.board.areas]
    return [device.save() for device in devices], pages, bench.board.scheduler.save(), bytes(bench.board.ram.data)


@pytest.mark.parametrize("seed", range(2))
def test_restored_drives_go_on_as_if_nothing_had_happened(seed: int) -> None:
    chance, bench = random.Random(100 + seed), FloppyBench(DISC)
    for _ in range(40):
        for _ in range(chance.randrange(60)):
            perform(bench, operation(chance))
        script = [operation(chance) for _ in range(chance.randrange(80))]
        kept, now = saved(bench), bench.board.now
        encoded = msgspec.json.encode(bench.fdc.save())
        first = [perform(bench, step) for step in script], saved(bench)
        states, pages, scheduled, ram = kept
        for device, state in zip((bench.fdc, *bench.drives, bench.discs, bench.board.dma), states, strict=True):
            device.restore(state)
        bench.fdc.restore(msgspec.json.decode(encoded, type=FdcState))
        for area, content_ in zip(bench.board.areas, pages, strict=True):
            for number in [*dict(area.filled()), *content_]:
                area.put(number, content_.get(number, bytes(4096)))
        bench.board.scheduler.restore(scheduled)
        bench.board.ram.data[:] = ram
        bench.board.now = now
        assert ([perform(bench, step) for step in script], saved(bench)) == first
