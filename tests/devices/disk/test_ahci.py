"""AHCI in the hands of a driver that does what the standard says, held to arrays of bytes; and of one that does not."""

from __future__ import annotations

import random
import struct

import msgspec
import pytest

from devices.disk.ahci import Ahci, AhciState
from devices.disk.ata import Command
from devices.disk.cd_unit import CdUnit
from devices.disk.medium import SECTOR, MediumError
from devices.disk.scsi_cd import Opcode
from tests.devices.disk.bench import Board, BytesMedium, disk, whole

SECTORS = 3001
BASE = 0xFEB0_0000
LIST, FIS, TABLES, DATA = 0x10000, 0x11000, 0x12000, 0x10_0000
OPERATIONS = 4000
CONTENT = random.Random(2).randbytes(SECTORS * SECTOR)
DISC = random.Random(3).randbytes(2048 * 200)


class Driver:
    """A board with an adapter: port 0 a disk, port 1 a CD drive."""

    def __init__(self) -> None:
        self.board = Board("ahci")
        self.disk = disk("disk0", CONTENT)
        self.cd = CdUnit("cd0", "disc", {"disc": BytesMedium(DISC)}.get, "SCD")
        self.ahci = Ahci(self.board, [self.disk, self.cd])
        self.function = self.board.functions[0]
        self.function.write_config(0x24, 4, BASE)
        self.function.write_config(0x04, 2, 6)
        self.write(4, 1 << 31 | 2)
        for port in (0, 1):
            self.write_port(port, 0x00, LIST + 0x400 * port)
            self.write_port(port, 0x08, FIS + 0x100 * port)
            self.write_port(port, 0x14, 0xFFFF_FFFF)
            self.write_port(port, 0x18, 0x17)

    def read(self, offset: int, size: int = 4) -> int:
        self._step()
        return self.board.memory.read(BASE + offset, size, self.board.now)

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self._step()
        self.board.memory.write(BASE + offset, size, value, self.board.now)

    def _step(self) -> None:
        self.board.now += 10
        self.board.scheduler.not_before = self.board.now + 4096

    def write_port(self, port: int, register: int, value: int) -> None:
        self.write(0x100 + 0x80 * port + register, value)

    def read_port(self, port: int, register: int) -> int:
        return self.read(0x100 + 0x80 * port + register)

    def pass_time(self) -> bool:
        scheduler = self.board.scheduler
        due = scheduler.next_due()
        if due is None:
            return False
        self.board.now = max(due, self.board.now)
        event = scheduler.pop_due(self.board.now)
        assert event is not None
        scheduler.not_before = 0
        self.ahci.on_event(event.name, self.board.now)
        return True

    def put(
        self, port: int, slot: int, command: int, lba: int, count: int, regions: list[tuple[int, int]], *,
        write: bool = False, packet: bytes = b"",
    ) -> None:  # fmt: skip
        """A command into a slot."""
        table = TABLES + 0x2000 * port + 0x400 * slot
        fis = struct.pack(
            "<16B4x", 0x27, 0x80, command, 1 if packet else 0, lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF, 0x40,
            lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF, 0, count & 0xFF, count >> 8 & 0xFF, 0, 0,
        )  # fmt: skip
        ram = self.board.ram
        ram.write(table, fis.ljust(0x40, b"\0") + packet.ljust(0x40, b"\0"))
        ram.write(table + 0x80, b"".join(struct.pack("<QII", at, 0, size - 1) for at, size in regions))
        flags = 5 | bool(packet) << 5 | write << 6 | len(regions) << 16
        ram.write(LIST + 0x400 * port + 32 * slot, struct.pack("<IIQ16x", flags, 0, table))

    def issue(self, port: int, slots: list[int]) -> int:
        """And wait until all are done or one fails; PxTFD."""
        self.write_port(port, 0x38, sum(1 << slot for slot in slots))
        while self.read_port(port, 0x38) and not self.read_port(port, 0x10) & 1 << 30:
            assert self.pass_time(), "nothing comes"
        assert self.board_interrupt()
        self.write_port(port, 0x10, 0xFFFF_FFFF)
        self.write(8, 1 << port)
        assert not self.board_interrupt()
        return self.read_port(port, 0x20)

    def board_interrupt(self) -> bool:
        return bool(self.function.read_config(6, 2) & 8)

    def restart(self, port: int) -> None:
        self.write_port(port, 0x18, 0x16)
        self.write_port(port, 0x18, 0x17)


def pieces(chance: random.Random, size: int, at: int) -> list[tuple[int, int]]:
    found = []
    while size:
        part = min(size, chance.choice([512, 4096, 1024, 0x8000]))
        found.append((at, part))
        at, size = at + part + chance.choice([0, 512]), size - part
    return found


@pytest.mark.parametrize("seed", range(2))
def test_random_reads_and_writes_in_many_slots(seed: int) -> None:
    """Those issued together are all reads, or all writes of different sectors, so that their order does not matter."""
    chance, driver, model = random.Random(seed), Driver(), bytearray(CONTENT)
    ram = driver.board.ram
    for _ in range(50):
        expected: list[tuple[int, list[tuple[int, int]], bytes]] = []
        slots, write = chance.sample(range(32), chance.choice([1, 1, 3])), chance.random() < 0.5
        code = Command.WRITE_DMA_EXT if write else chance.choice([Command.READ_DMA_EXT, Command.READ_SECTORS_EXT])
        for number, slot in enumerate(slots):
            count = chance.choice([1, 8, 64, 300])
            lba = number * 1000 + chance.randrange(1000 - count)
            regions = pieces(chance, count * SECTOR, DATA + 0x40000 * number)
            driver.put(0, slot, code, lba, count, regions, write=write)
            where = slice(lba * SECTOR, (lba + count) * SECTOR)
            for address, size in regions:
                ram.write(address, chance.randbytes(size))
            if write:
                model[where] = b"".join(ram.read(address, size) for address, size in regions)
            expected.append((slot, regions, bytes(model[where])))
        assert driver.issue(0, slots) == 0x50
        for slot, regions, data in expected:
            assert b"".join(ram.read(address, size) for address, size in regions) == data
            assert struct.unpack("<I", ram.read(LIST + 32 * slot + 4, 4)) == (len(data),)
    assert whole(driver.disk) == bytes(model)
    assert bytes(driver.disk.overlay.base.data) == CONTENT


def test_what_is_there() -> None:
    driver = Driver()
    assert driver.read(0x0C) == 3
    assert driver.read(0x10) == 0x0001_0301
    assert [driver.read_port(port, 0x24) for port in (0, 1)] == [0x0000_0101, 0xEB14_0101]
    assert [driver.read_port(port, 0x28) for port in (0, 1, 2)] == [0x123, 0x123, 0]
    driver.put(0, 5, Command.IDENTIFY, 0, 0, [(DATA, 512)])
    assert driver.issue(0, [5]) == 0x50
    words = struct.unpack("<256H", driver.board.ram.read(DATA, 512))
    assert words[100] | words[101] << 16 == SECTORS
    assert driver.board.ram.read(FIS + 0x20, 1) == b"\x5f"


def test_an_error_halts_the_port_until_it_is_stopped() -> None:
    driver = Driver()
    driver.put(0, 0, Command.READ_DMA_EXT, SECTORS, 1, [(DATA, 512)])
    driver.put(0, 1, Command.READ_DMA_EXT, 0, 1, [(DATA, 512)])
    assert driver.issue(0, [0, 1]) == 0x1051
    assert driver.read_port(0, 0x38) & 1
    while driver.pass_time():
        pass
    assert driver.read_port(0, 0x38) in (1, 3), "the other may have come first"
    driver.restart(0)
    assert driver.read_port(0, 0x38) == 0
    assert driver.issue(0, [1]) == 0x50
    assert driver.board.ram.read(DATA, 512) == CONTENT[:512]
    driver.put(0, 2, 0xFF, 0, 0, [])
    assert driver.issue(0, [2]) == 0x451
    driver.restart(0)
    driver.put(0, 2, Command.READ_DMA_EXT, 0, 8, [(DATA, 512)])
    assert driver.issue(0, [2]) == 0x451, "too few regions"


def test_software_reset_and_comreset_bring_the_signature() -> None:
    driver = Driver()
    for control in (4, 0):
        driver.put(0, 0, 0, 0, 0, [])
        driver.board.ram.write(TABLES + 1, b"\0")
        driver.board.ram.write(TABLES + 15, bytes([control]))
        driver.write_port(0, 0x38, 1)
        while driver.read_port(0, 0x38):
            assert driver.pass_time()
    assert driver.board.ram.read(FIS + 0x40, 8)[4:7] == b"\1\0\0"
    driver.write_port(1, 0x2C, 1)
    assert driver.read_port(1, 0x28) == 0
    driver.write_port(1, 0x2C, 0)
    assert driver.read_port(1, 0x24) == 0xEB14_0101
    driver.write(4, 1)
    assert driver.read(4) == 1 << 31


def test_a_cd_drive() -> None:
    driver = Driver()
    ram = driver.board.ram

    def packet(data: bytes, size: int) -> int:
        driver.put(1, 0, Command.PACKET, 0, 0, [(DATA, size)] if size else [], packet=data)
        status = driver.issue(1, [0])
        if status & 1:
            driver.restart(1)
        return status

    assert packet(bytes((Opcode.TEST_UNIT_READY,)), 0) & 1
    assert packet(bytes((Opcode.REQUEST_SENSE, 0, 0, 0, 18)), 18) & 0xFF == 0x50
    assert ram.read(DATA + 2, 1) == b"\6"
    assert packet(struct.pack(">BxIxHx", Opcode.READ_10, 7, 20), 2048 * 20) & 0xFF == 0x50
    assert ram.read(DATA, 2048 * 20) == DISC[7 * 2048 : 27 * 2048]
    assert packet(struct.pack(">BxIxHx", Opcode.READ_10, 199, 2), 4096) >> 12 == 5
    driver.put(1, 0, Command.IDENTIFY_PACKET, 0, 0, [(DATA, 512)])
    assert driver.issue(1, [0]) & 0xFF == 0x50
    assert struct.unpack("<H", ram.read(DATA, 2))[0] >> 14 == 2


@pytest.mark.parametrize("code", [Command.READ_DMA_EXT, Command.WRITE_DMA_EXT, Command.FLUSH_CACHE])
def test_an_error_of_the_host_changes_nothing(code: int) -> None:
    driver = Driver()
    if code == Command.FLUSH_CACHE:
        driver.disk.flush = lambda: driver.disk.overlay.base.flush()
    driver.put(0, 0, code, 3, 1, [(DATA, 512)], write=code == Command.WRITE_DMA_EXT)
    driver.write_port(0, 0x38, 1)
    driver.disk.overlay.base.fail = MediumError("gone")
    scheduler, failed = driver.board.scheduler, 0
    while (due := scheduler.next_due()) is not None:
        event, before, ram = scheduler.pop_due(due), driver.ahci.save(), bytes(driver.board.ram.data)
        assert event is not None
        try:
            driver.ahci.on_event(event.name, due)
        except MediumError:
            failed += 1
            assert driver.ahci.save() == before
            assert bytes(driver.board.ram.data) == ram
            driver.disk.overlay.base.fail = None
            driver.ahci.on_event(event.name, due)
    assert failed == 1
    assert driver.read_port(0, 0x20) == 0x50


REGISTERS = [0, 4, 8, *(0x100 + 0x80 * port + register for port in (0, 1) for register in range(0, 0x40, 4))]


def operation(chance: random.Random) -> tuple[int, int, int | None]:
    kind = chance.random()
    if kind < 0.15:
        return -1, 0, None
    port = 0x100 + 0x80 * chance.randrange(2)
    if kind < 0.4:
        return port + 0x38, 4, 1 << chance.randrange(32)
    if kind < 0.5:
        return port + 0x18, 4, chance.choice([0x17, 0x16, 0, 0x1F])
    value = chance.choice([None, None, 0, 1, chance.getrandbits(32), LIST])
    return chance.choice([*REGISTERS, chance.randrange(0x1000)]), chance.choice([1, 2, 4, 4, 4, 8]), value


def perform(driver: Driver, offset: int, size: int, value: int | None) -> int | None:
    if offset < 0:
        driver.pass_time()
        return None
    if value is None:
        return driver.read(min(offset, 0x1000 - size), size)
    driver.write(min(offset, 0x1000 - size), value, size)
    return None


def hostile(chance: random.Random) -> Driver:
    """Command lists and tables full of half-truths."""
    driver = Driver()
    driver.board.ram.write(0, chance.randbytes(LIST))
    for port in (0, 1):
        for slot in range(32):
            code = chance.choice([0x25, 0x35, 0x24, 0xEC, 0xA0, 0xA1, 0xC8, 0xEF, 0xE7, chance.randrange(256)])
            regions = [(chance.getrandbits(chance.choice([16, 21, 40])), chance.choice([1, 2, 512, 1 << 22]))] * 4
            driver.put(
                port, slot, code, chance.randrange(SECTORS + 9), chance.choice([0, 1, 9, 600]),
                regions, packet=bytes([chance.choice([0, 3, 0x12, 0x28, 0x43, 0x1B, 0xFF])]) + chance.randbytes(11),
            )  # fmt: skip
    return driver


def test_anything_at_any_time() -> None:
    anything(9, OPERATIONS)


def anything(seed: int, operations: int) -> int:
    """So many operations on a new board. Returns how many."""
    chance = random.Random(seed)
    driver = hostile(chance)
    for number in range(operations):
        perform(driver, *operation(chance))
        if number % 100 == 0:
            assert driver.ahci.describe(driver.board.now)
            assert len(driver.board.scheduler.events()) <= 2
    return operations


def test_a_restored_adapter_goes_on_as_if_nothing_had_happened() -> None:
    chance = random.Random(10)
    driver = hostile(chance)
    for _ in range(25):
        for _ in range(chance.randrange(60)):
            perform(driver, *operation(chance))
        script = [operation(chance) for _ in range(chance.randrange(60))]
        saved, board = msgspec.json.encode(driver.ahci.save()), driver.board
        areas = [driver.disk.overlay._data, driver.disk.overlay._written]
        pages, cd = [dict(area.filled()) for area in areas], driver.cd.save()
        scheduled, now, ram = board.scheduler.save(), board.now, bytes(board.ram.data)
        first = [perform(driver, *step) for step in script], driver.ahci.save(), board.scheduler.save()
        driver.ahci.restore(msgspec.json.decode(saved, type=AhciState))
        assert msgspec.json.encode(driver.ahci.save()) == saved
        driver.cd.restore(cd)
        for area, content in zip(areas, pages, strict=True):
            for number in range(area.page_count):
                area.put(number, content.get(number, bytes(4096)))
        board.scheduler.restore(scheduled)
        board.now, board.ram.data[:] = now, ram
        again = [perform(driver, *step) for step in script], driver.ahci.save(), board.scheduler.save()
        assert again == first


def test_a_trim_gives_back_what_was_written() -> None:
    driver = Driver()
    driver.disk.write(0, b"w" * (32 * SECTOR))
    for sector, status in ((8, 0x50), (SECTORS, 0x1051)):
        driver.board.ram.write(DATA, (8 << 48 | sector).to_bytes(8, "little").ljust(SECTOR, b"\0"))
        driver.put(0, 0, Command.DATA_SET_MANAGEMENT, 0, 1, [(DATA, SECTOR)], write=True)
        driver.board.ram.write(TABLES + 3, b"\1")
        assert driver.issue(0, [0]) == status
    assert (
        driver.disk.read(0, 33)
        == b"w" * (8 * SECTOR) + bytes(8 * SECTOR) + b"w" * (16 * SECTOR) + CONTENT[32 * SECTOR : 33 * SECTOR]
    )
