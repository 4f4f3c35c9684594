"""A CD drive by the PACKET command, in the hands of a driver that does what the standard says."""

from __future__ import annotations

import random
import struct

import pytest

from devices.disk.ata import Command
from devices.disk.cd_unit import CdUnit, EjectDisc, InsertDisc
from devices.disk.medium import Medium, MediumError
from devices.disk.scsi_cd import Opcode
from tests.devices.disk.bench import AtaError, Bench, BytesMedium, Driver

SECTORS = 1000
BUFFER = 0x10_0000
DISC = random.Random(5).randbytes(SECTORS * 2048)


@pytest.fixture
def unit() -> CdUnit:
    discs: dict[str, Medium] = {"debian": BytesMedium(DISC), "other": BytesMedium(bytes(4096 * 10))}
    return CdUnit("cd0", "debian", discs.get, "SCD")


@pytest.fixture
def driver(unit: CdUnit) -> Driver:
    """Of a drive that has told of its reset already."""
    driver = Driver(Bench([None, None, unit]), 1, 0)
    with pytest.raises(AtaError):
        driver.packet(bytes((Opcode.TEST_UNIT_READY,)))
    assert sense(driver) == (6, 0x29)
    return driver


def sense(driver: Driver) -> tuple[int, int]:
    """Key and additional code."""
    data = driver.packet(bytes((Opcode.REQUEST_SENSE, 0, 0, 0, 18)))
    return data[2], data[12]


def read_10(lba: int, count: int) -> bytes:
    return struct.pack(">BxIxH", Opcode.READ_10, lba, count)


def fails(driver: Driver, packet: bytes, key: int, code: int) -> None:
    with pytest.raises(AtaError):
        driver.packet(packet)
    assert driver.bench.read(driver.base + 1) >> 4 == key
    assert sense(driver) == (key, code)


def test_it_is_told_from_a_disk(driver: Driver) -> None:
    with pytest.raises(AtaError, match="ABRT"):
        driver.command(Command.IDENTIFY)
    assert (driver.bench.read(driver.base + 4), driver.bench.read(driver.base + 5)) == (0x14, 0xEB)
    words = driver.identify(Command.IDENTIFY_PACKET)
    assert words[0] >> 14 == 2
    assert words[0] >> 8 & 0x1F == 5


@pytest.mark.parametrize("seed", range(3))
def test_reads_of_any_size_and_limit(driver: Driver, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        count = chance.choice([1, 2, 16, 40])
        lba = chance.randrange(SECTORS - count + 1)
        expected = DISC[lba * 2048 : (lba + count) * 2048]
        packet = chance.choice(
            [
                read_10(lba, count),
                struct.pack(">BxIIxx", Opcode.READ_12, lba, count),
                struct.pack(">BBIBBBB", Opcode.READ_CD, 0, lba, 0, 0, count, 0x10),
            ]
        )
        if chance.random() < 0.5:
            assert driver.packet(packet, chance.choice([2048, 4096, 0xFFFE, 512, 0x8000])) == expected
        else:
            regions = [(BUFFER + 0x10000 * number, 0x4000) for number in range(-(-len(expected) // 0x4000))]
            driver.packet_dma(packet, regions)
            got = b"".join(driver.bench.board.ram.read(address, size) for address, size in regions)
            assert got[: len(expected)] == expected


def test_the_questions_of_an_operating_system(driver: Driver) -> None:
    assert driver.packet(bytes((Opcode.INQUIRY, 0, 0, 0, 36)))[8:16] == b"VMDBG   "
    assert len(driver.packet(bytes((Opcode.INQUIRY, 0, 0, 0, 5)))) == 5
    assert struct.unpack(">II", driver.packet(bytes((Opcode.READ_CAPACITY,)))) == (SECTORS - 1, 2048)
    toc = driver.packet(struct.pack(">BBBxxxBHB", Opcode.READ_TOC, 0, 0, 0, 100, 0))
    assert toc == struct.pack(">HBB BBBBI BBBBI", 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0x14, 0xAA, 0, SECTORS)
    msf = driver.packet(struct.pack(">BBBxxxBHB", Opcode.READ_TOC, 2, 0, 0xAA, 100, 0))
    assert msf[-3:] == bytes((0, (SECTORS + 150) // 75, (SECTORS + 150) % 75))
    for form in (1, 2):
        assert driver.packet(struct.pack(">BBBxxxBHB", Opcode.READ_TOC, 0, form, 0, 100, 0))
    assert driver.packet(struct.pack(">BBHxxxHx", Opcode.GET_CONFIGURATION, 0, 0, 64))[6:8] == b"\0\x08"
    assert driver.packet(struct.pack(">BBB4xHx", Opcode.MODE_SENSE_10, 0, 0x2A, 64))[8] == 0x2A
    assert driver.packet(struct.pack(">BBBBBB", Opcode.MODE_SENSE_6, 0, 0x3F, 0, 64, 0))
    assert driver.packet(struct.pack(">B6xHx", Opcode.READ_DISC_INFORMATION, 64))
    assert driver.packet(struct.pack(">B7xHx", Opcode.MECHANISM_STATUS, 64))
    for opcode in (Opcode.TEST_UNIT_READY, Opcode.SET_CD_SPEED, Opcode.SYNCHRONIZE_CACHE, Opcode.SEEK):
        assert driver.packet(bytes((opcode,))) == b""


def test_what_cannot_be(driver: Driver) -> None:
    fails(driver, read_10(SECTORS, 1), 5, 0x21)
    fails(driver, read_10(SECTORS - 1, 2), 5, 0x21)
    fails(driver, bytes((0xFF,)), 5, 0x20)
    fails(driver, struct.pack(">BBBxxxBHB", Opcode.READ_TOC, 0, 9, 0, 100, 0), 5, 0x24)
    assert driver.packet(read_10(5, 0)) == b""


def event(driver: Driver) -> tuple[int, int]:
    """Code of the media event, and status."""
    return tuple(driver.packet(struct.pack(">BBxxBxxHx", Opcode.GET_EVENT_STATUS, 1, 0x10, 8))[4:6])


def test_the_guest_opens_and_closes_the_tray(driver: Driver, unit: CdUnit) -> None:
    lock = bytes((Opcode.PREVENT_ALLOW, 0, 0, 0, 1))
    eject, load = bytes((Opcode.START_STOP, 0, 0, 0, 2)), bytes((Opcode.START_STOP, 0, 0, 0, 3))
    assert driver.packet(lock) == b""
    fails(driver, eject, 5, 0x53)
    driver.packet(bytes((Opcode.PREVENT_ALLOW,)))
    driver.packet(eject)
    assert event(driver) == (3, 1)
    fails(driver, read_10(0, 1), 2, 0x3A)
    driver.packet(load)
    fails(driver, read_10(0, 1), 6, 0x28)
    assert driver.packet(read_10(0, 1)) == DISC[:2048]
    assert unit.save().medium == "debian"


def test_somebody_changes_the_disc(driver: Driver, unit: CdUnit) -> None:
    assert event(driver) == (0, 2)
    unit.take(EjectDisc("cd0"), 0)
    assert event(driver) == (3, 0)
    fails(driver, read_10(0, 1), 2, 0x3A)
    unit.take(InsertDisc("cd0", "other"), 0)
    assert event(driver) == (2, 2)
    fails(driver, read_10(0, 1), 6, 0x28)
    assert struct.unpack(">II", driver.packet(bytes((Opcode.READ_CAPACITY,)))) == (19, 2048)


def test_a_locked_drive_asks_the_guest_first(driver: Driver, unit: CdUnit) -> None:
    driver.packet(bytes((Opcode.PREVENT_ALLOW, 0, 0, 0, 1)))
    unit.take(EjectDisc("cd0"), 0)
    assert event(driver) == (1, 2)
    assert driver.packet(read_10(0, 1)) == DISC[:2048]
    unit.take(EjectDisc("cd0", force=True), 0)
    assert event(driver) == (3, 0)


def test_a_disc_that_goes_while_it_is_read(driver: Driver, unit: CdUnit) -> None:
    with pytest.raises(AtaError):
        read_with_the_disc_gone(driver, unit)
    assert sense(driver)[0] in (2, 6)


def read_with_the_disc_gone(driver: Driver, unit: CdUnit) -> None:
    before = driver.wait

    def wait() -> int:
        unit.take(EjectDisc("cd0", force=True), 0)
        return before()

    driver.wait = wait
    try:
        driver.packet(read_10(0, 100), 2048)
    finally:
        driver.wait = before


def test_an_error_of_the_host_changes_nothing(driver: Driver, unit: CdUnit) -> None:
    ide, scheduler = driver.bench.ide, driver.bench.board.scheduler
    driver.prepare([(BUFFER, 4096)], True)
    for offset, value in ((6, 0xA0), (1, 1), (7, Command.PACKET)):
        driver.bench.write(driver.base + offset, value)
    driver._write_packet(read_10(7, 2))
    driver.bench.write(driver.master, 9)
    unit.medium.fail = MediumError("scratched")
    failed = 0
    while (due := scheduler.next_due()) is not None:
        event, before = scheduler.pop_due(due), ide.save()
        try:
            ide.on_event(event.name, due)
        except MediumError:
            failed += 1
            assert ide.save() == before
            unit.medium.fail = None
            ide.on_event(event.name, due)
    assert failed == 1
    assert driver.bench.board.ram.read(BUFFER, 4096) == DISC[7 * 2048 : 9 * 2048]
