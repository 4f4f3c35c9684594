"""An IDE disk in the hands of a driver that does what the standard says, held to a plain array of bytes."""

from __future__ import annotations

import random
import struct

import pytest

from devices.disk.ata import Command, Error, Status
from devices.disk.geometry import Geometry
from devices.disk.medium import SECTOR, MediumError
from tests.devices.disk.bench import MEMORY, AtaError, Bench, Driver, disk, whole

SECTORS = 3001
BUFFER = 0x10_0000


@pytest.fixture
def content() -> bytes:
    return random.Random(1).randbytes(SECTORS * SECTOR)


@pytest.fixture
def bench(content: bytes) -> Bench:
    return Bench([disk("disk0", content), disk("disk1", content[::-1]), disk("disk2", bytes(len(content)))])


def test_identify(bench: Bench) -> None:
    words = Driver(bench).identify()
    assert words[60] | words[61] << 16 == SECTORS
    assert struct.pack(">10H", *words[10:20]) == b"Sdisk0".ljust(20)
    assert struct.pack(">20H", *words[27:47]).startswith(b"VMDBG HARDDISK ")
    assert sum(struct.pack("<256H", *words)) & 0xFF == 0
    assert words[83] & 0x0400, "48-bit addresses"
    assert words[100] | words[101] << 16 == SECTORS


def regions(chance: random.Random, size: int) -> list[tuple[int, int]]:
    """Memory in pieces, wherever they are, and perhaps more than is needed."""
    found, at = [], BUFFER
    left = size + chance.choice([0, 0, 512, 4096])
    while left:
        piece = min(left, chance.choice([2, 512, 1000, 4096, 0x10000]))
        found.append((at, piece))
        at += piece + chance.choice([0, 2, 4096])
        left -= piece
    return found


def random_access(driver: Driver, chance: random.Random, model: bytearray) -> None:
    """One command, on the drive and on the model."""
    long, multiple, write = chance.random() < 0.4, chance.choice([0, 0, 1, 4, 16]), chance.random() < 0.5
    count = chance.choice([1, 1, 2, 8, 17, 256, chance.randrange(1, 257)])
    count = min(count, SECTORS)
    lba = chance.randrange(SECTORS - count + 1)
    place, chs = lba, False
    if not long and chance.random() < 0.2:
        geometry = Geometry.of(SECTORS)
        if lba < geometry.sectors:
            chs = True
            cylinder, head, sector = geometry.place(lba)
            place = sector | cylinder << 8 | head << 24
    where, size = slice(lba * SECTOR, (lba + count) * SECTOR), count * SECTOR
    data = chance.randbytes(size)
    how = {"lba": place, "count": count if long else count & 0xFF, "long": long, "chs": chs}
    if chance.random() < 0.5:
        names = {(False, False): "READ_DMA", (True, False): "READ_DMA_EXT", (False, True): "WRITE_DMA"}
        code = Command[names.get((long, write), "WRITE_DMA_EXT")]
        driver.interrupts = True
        pieces = regions(chance, size)
        ram = driver.bench.board.ram
        if write:
            at = 0
            for address, length in pieces:
                ram.write(address, data[at : at + length])
                at += length
        driver.dma(pieces, not write, lambda: driver.issue(code, **how))
        got = b"".join(ram.read(address, length) for address, length in pieces)[:size]
    else:
        driver.interrupts = chance.random() < 0.7
        if multiple:
            driver.command(Command.SET_MULTIPLE, count=multiple)
        name = f"{'WRITE' if write else 'READ'}_{'MULTIPLE' if multiple else 'SECTORS'}{'_EXT' * long}"
        driver.issue(Command[name], **how)
        block, width = (multiple or 1) * SECTOR, chance.choice([2, 4])
        got = b"" if write else driver.pio_in(size, block, width)
        if write:
            driver.pio_out(data, block, width)
    if write:
        model[where] = data
    else:
        assert got == model[where]


@pytest.mark.parametrize("seed", range(2))
def test_random_reads_and_writes_of_all_kinds(bench: Bench, content: bytes, seed: int) -> None:
    chance = random.Random(seed)
    drivers = [Driver(bench), Driver(bench, 0, 1), Driver(bench, 1, 0)]
    models = [bytearray(content), bytearray(content[::-1]), bytearray(len(content))]
    for _ in range(60):
        number = chance.randrange(3)
        random_access(drivers[number], chance, models[number])
    for unit, model, base in zip(
        [drive._unit for channel in bench.ide.channels for drive in channel.drives if drive is not None],
        models,
        [content, content[::-1], bytes(len(content))],
        strict=True,
    ):
        assert whole(unit) == bytes(model)
        assert bytes(unit.overlay.base.data) == base, "the image is never written"


def test_beyond_the_end_and_what_is_unknown(bench: Bench) -> None:
    driver = Driver(bench)
    for code, lba, count in (
        (Command.READ_SECTORS, SECTORS, 1),
        (Command.READ_DMA, SECTORS - 1, 2),
        (Command.WRITE_SECTORS, SECTORS - 255, 0),
    ):
        with pytest.raises(AtaError, match="IDNF"):
            driver.command(code, lba, count)
    for code in (0x00, 0xFF, Command.PACKET, Command.IDENTIFY_PACKET, 0xB0):
        with pytest.raises(AtaError, match="ABRT"):
            driver.command(code)
    with pytest.raises(AtaError, match="ABRT"):
        driver.command(Command.READ_MULTIPLE, 0, 1)
    with pytest.raises(AtaError, match="IDNF"):
        driver.command(Command.READ_SECTORS, 0, 1, chs=True)


def test_flush_and_power_and_limits(bench: Bench) -> None:
    driver = Driver(bench)
    for code in (Command.FLUSH_CACHE, Command.FLUSH_CACHE_EXT, Command.STANDBY_IMMEDIATE, Command.SEEK):
        driver.command(code)
    driver.command(Command.CHECK_POWER_MODE)
    assert bench.read(driver.base + 2) == 0xFF
    driver.command(Command.READ_NATIVE_MAX_EXT)
    assert bench.read(driver.base + 3) | bench.read(driver.base + 4) << 8 == SECTORS - 1


def test_a_command_is_ignored_while_another_goes_on(bench: Bench, content: bytes) -> None:
    driver = Driver(bench)
    driver.issue(Command.READ_SECTORS, 5, 1)
    for offset in range(1, 8):
        bench.write(driver.base + offset, 0xEC)
    assert driver.pio_in(512, 512) == content[5 * SECTOR : 6 * SECTOR]


def test_reset_leaves_the_signature_and_ends_what_goes_on(bench: Bench) -> None:
    driver = Driver(bench)
    driver.issue(Command.WRITE_SECTORS, 5, 1)
    bench.write(driver.control, 4)
    assert bench.read(driver.control) == Status.BSY
    bench.write(driver.control, 0)
    assert [bench.read(driver.base + offset) for offset in range(1, 6)] == [1, 1, 1, 0, 0]
    assert bench.read(driver.control) & ~Status.SEEK == Status.DRDY
    assert not bench.pass_time()


def test_diagnostics_come_with_an_interrupt(bench: Bench) -> None:
    driver = Driver(bench, 0, 1)
    driver.issue(Command.DIAGNOSTIC)
    assert driver.wait() & Status.DRDY
    assert bench.read(driver.base + 1) == Error.PASSED


def test_a_place_without_a_drive(bench: Bench) -> None:
    driver = Driver(bench, 1, 1)
    bench.write(driver.base + 6, 0xB0)
    assert bench.read(driver.base + 7) == 0
    bench.write(driver.base + 7, Command.IDENTIFY)
    assert not bench.pass_time()
    empty = Bench([])
    assert empty.read(0x1F7) == 0x7F


def test_a_table_too_short_ends_without_an_interrupt_and_moves_nothing(bench: Bench) -> None:
    driver = Driver(bench)
    before = bytes(bench.board.ram.data[BUFFER:])
    driver.prepare([(BUFFER, 512)], True)
    driver.issue(Command.READ_DMA, 0, 2)
    bench.write(driver.master, 9)
    bench.pass_time()
    assert bench.read(driver.master + 2) & 5 == 0
    assert not bench.board.irqs[14].level
    assert bytes(bench.board.ram.data[BUFFER:]) == before
    assert not bench.read(driver.control) & Status.BSY


def test_a_bus_master_that_is_stopped_and_started_again(bench: Bench, content: bytes) -> None:
    driver = Driver(bench)
    driver.prepare([(BUFFER, 512)], True)
    driver.issue(Command.READ_DMA, 7, 1)
    bench.write(driver.master, 9)
    bench.write(driver.master, 8)
    assert not bench.pass_time()
    bench.write(driver.master, 9)
    driver.wait()
    assert bench.board.ram.read(BUFFER, 512) == content[7 * SECTOR : 8 * SECTOR]


def test_no_dma_for_a_function_that_may_be_no_master(bench: Bench) -> None:
    driver = Driver(bench)
    bench.board.functions[0].write_config(0x04, 2, 1)
    driver.prepare([(BUFFER, 512)], True)
    driver.issue(Command.READ_DMA, 7, 1)
    bench.write(driver.master, 9)
    bench.pass_time()
    assert bench.board.ram.read(BUFFER, 512) == bytes(512)


def test_memory_that_is_not_there_harms_nothing(bench: Bench) -> None:
    driver = Driver(bench)
    driver.dma([(0xFFFF_0000, 0x10000)], True, lambda: driver.issue(Command.READ_DMA, 0, 128))
    driver.dma([(MEMORY - 256, 512)], False, lambda: driver.issue(Command.WRITE_DMA, 0, 1))


@pytest.mark.parametrize("code", [Command.READ_SECTORS, Command.READ_DMA, Command.WRITE_DMA, Command.FLUSH_CACHE])
def test_an_error_of_the_host_changes_nothing_and_the_event_can_come_again(content: bytes, code: int) -> None:
    bench = Bench([unit := disk("disk0", content)])
    if code == Command.FLUSH_CACHE:
        unit.flush = lambda: unit.overlay.base.flush()
    driver = Driver(bench)
    driver.prepare([(BUFFER, 512)], code == Command.READ_DMA)
    driver.issue(code, 3, 1)
    bench.write(driver.master, 9)
    unit.overlay.base.fail = MediumError("no disk")
    scheduler = bench.board.scheduler
    due = scheduler.next_due()
    assert due is not None
    event = scheduler.pop_due(due)
    before, ram = bench.ide.save(), bytes(bench.board.ram.data)
    with pytest.raises(MediumError):
        bench.ide.on_event(event.name, due)
    assert bench.ide.save() == before
    assert bytes(bench.board.ram.data) == ram
    unit.overlay.base.fail = None
    bench.ide.on_event(event.name, due)
    assert bench.ide.save() != before


def test_a_trim_gives_back_what_was_written() -> None:
    bench = Bench([disk("disk0", bytes([7]) * (64 * 512))])
    driver = Driver(bench)
    assert driver.identify()[169] & 1
    unit = bench.ide.channels[0].drives[0]._unit
    unit.write(0, b"w" * (32 * 512))
    entries = (8 << 48 | 8).to_bytes(8, "little") + (16 << 48 | 40).to_bytes(8, "little")
    bench.board.ram.write(0x2000, entries.ljust(512, b"\0"))
    driver.dma([(0x2000, 512)], False, lambda: driver.issue(0x06, 0, 1, long=True, features=1))
    expected = b"w" * (8 * 512) + bytes(8 * 512) + b"w" * (16 * 512) + bytes([7]) * (32 * 512)
    assert unit.read(0, 64) == expected, "what the image has stays"
    bench.board.ram.write(0x2000, (8 << 48 | 60).to_bytes(8, "little"))
    with pytest.raises(AtaError, match="IDNF"):
        driver.dma([(0x2000, 512)], False, lambda: driver.issue(0x06, 0, 1, long=True, features=1))
    with pytest.raises(AtaError, match="ABRT"):
        driver.command(0x06, 0, 1, long=True, features=0)
    assert unit.read(0, 64) == expected
