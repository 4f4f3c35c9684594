"""Drivers that do anything at any time: nothing breaks, nothing grows, and what is saved is all there is."""

from __future__ import annotations

import random

import msgspec
import pytest

from devices.disk.cd_unit import CdUnit
from devices.disk.ide import IdeState
from devices.disk.ide_drive import LARGEST_BUFFER
from tests.devices.disk.bench import MASTER_BASE, Bench, BytesMedium, disk

OPERATIONS = 5000
SECTORS = 600
PORTS = [*range(0x1F0, 0x1F8), *range(0x170, 0x178), 0x3F6, 0x376, *range(MASTER_BASE, MASTER_BASE + 16)]
COMMANDS = [
    0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0xA0, 0xA0, 0xA0, 0xA1, 0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0xEC, 0xEF,
    0x08, 0x90, 0xE7, 0x91,
]  # fmt: skip
PACKETS = [0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25, 0x28, 0xA8, 0x42, 0x43, 0x46, 0x4A, 0x51, 0x5A, 0x1A, 0xBE]


def make() -> Bench:
    discs = {"a": BytesMedium(bytes(range(256)) * 800)}
    return Bench([disk("disk0", bytes(SECTORS * 512)), disk("disk1", bytes(512)), CdUnit("cd0", "a", discs.get, "S")])


def operation(chance: random.Random) -> tuple[int, int, int | None]:
    """Port, size, and what is written; None to read. Port 0 lets time pass."""
    kind = chance.random()
    if kind < 0.08:
        return 0, 0, None
    channel = chance.choice([0x1F0, 0x170])
    if kind < 0.16:
        return channel + 7, 1, chance.choice(COMMANDS)
    if kind < 0.4:
        return channel, chance.choice([1, 2, 4]), chance.choice([None, None, chance.choice(PACKETS), 0])
    if kind < 0.45:
        return MASTER_BASE + chance.choice([0, 8]), 1, chance.choice([0, 1, 8, 9])
    size = chance.choice([1, 1, 1, 2, 4])
    value = chance.choice([0, 1, 2, chance.getrandbits(8 * size), None, None])
    return chance.choice(PORTS), size, value


def perform(bench: Bench, port: int, size: int, value: int | None) -> int | None:
    if not port:
        bench.pass_time()
        return None
    if value is None:
        return bench.read(port, size)
    bench.write(port, value & (1 << 8 * size) - 1, size)
    return None


def check(bench: Bench) -> None:
    for channel in bench.ide.channels:
        for drive in channel.drives:
            if drive is not None:
                assert len(drive.buffer) <= LARGEST_BUFFER
                assert drive.state.index <= drive.state.edge <= len(drive.buffer)
    assert len(bench.board.scheduler.events()) <= 6
    assert bench.ide.describe(bench.board.now)


@pytest.mark.parametrize("seed", range(2))
def test_anything_at_any_time(seed: int) -> None:
    anything(seed, OPERATIONS)


def anything(seed: int, operations: int) -> int:
    """So many operations on a new board. Returns how many."""
    chance, bench = random.Random(seed), make()
    bench.board.ram.write(0, chance.randbytes(1 << 16))
    for number in range(operations):
        perform(bench, *operation(chance))
        if number % 50 == 0:
            check(bench)
    return operations


@pytest.mark.parametrize("seed", range(2))
def test_a_restored_function_goes_on_as_if_nothing_had_happened(seed: int) -> None:
    chance, bench = random.Random(100 + seed), make()
    for _ in range(60):
        for _ in range(chance.randrange(60)):
            perform(bench, *operation(chance))
        script = [operation(chance) for _ in range(chance.randrange(60))]
        saved = msgspec.json.encode(bench.ide.save())
        units = [drive._unit for channel in bench.ide.channels for drive in channel.drives if drive is not None]
        kept = [unit.save() for unit in units]
        areas = [area for unit in units[:2] for area in (unit.overlay._data, unit.overlay._written)]
        pages = [dict(area.filled()) for area in areas]
        scheduled, now, ram = bench.board.scheduler.save(), bench.board.now, bytes(bench.board.ram.data)
        first = [perform(bench, *step) for step in script], bench.ide.save(), bench.board.scheduler.save()
        bench.ide.restore(msgspec.json.decode(saved, type=IdeState))
        assert msgspec.json.encode(bench.ide.save()) == saved
        for unit, state in zip(units, kept, strict=True):
            unit.restore(state)
        for area, content in zip(areas, pages, strict=True):
            for number in range(area.page_count):
                area.put(number, content.get(number, bytes(4096)))
        bench.board.scheduler.restore(scheduled)
        bench.board.now = now
        bench.board.ram.data[:] = ram
        again = [perform(bench, *step) for step in script], bench.ide.save(), bench.board.scheduler.save()
        assert again == first
