"""virtio-blk against a model of a disk, and against drivers that do as they please."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.disk.medium import MediumError
from devices.disk.unit import DiskUnit
from devices.virtio.block import MOST_DATA, VirtioBlock
from tests.devices.disk.bench import over
from tests.devices.virtio.driver import INDIRECT, MEMORY, NEXT, RINGS, TABLE, WRITE, Driver

SECTOR = 512
SECTORS = 64
READ, WRITE_OUT, FLUSH, GET_ID, DISCARD, ZEROES = 0, 1, 4, 8, 11, 13
HEADER, DATA, STATUS = 0x40000, 0x42000, 0x41000
NEEDS_RESET = 0x40


class Image:
    """A medium in memory that is never written. `fail` makes the host's disk fail."""

    read_only = True

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sectors = len(data) // SECTOR
        self.fail: Exception | None = None

    def read(self, sector: int, count: int) -> bytes:
        assert sector >= 0
        assert count > 0
        assert sector + count <= self.sectors
        if self.fail is not None:
            raise self.fail
        return self.data[sector * SECTOR : (sector + count) * SECTOR]

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("the image is written")

    def flush(self) -> None:
        raise AssertionError("the image is flushed")


class Protected(DiskUnit):
    """A disk that cannot be written."""

    read_only = True


def unit(kind: type[DiskUnit] = DiskUnit) -> DiskUnit:
    return kind("disk", over(Image(image())), "SERIAL-1")


def image() -> bytes:
    return bytes((7 * n + n // 251) & 0xFF for n in range(SECTORS * SECTOR))


def begun(disk: DiskUnit | None = None, **how: Any) -> tuple[Driver, DiskUnit]:
    inside = disk or unit()
    return Driver(lambda slot: VirtioBlock(slot, inside), **how).begin(), inside


def whole(disk: DiskUnit) -> bytes:
    return disk.read(0, SECTORS)


def submit(driver: Driver, kind: int, sector: int, data: bytes = b"", room: int = 0, *, pieces: int = 1,
           indirect: bool = False) -> int:  # fmt: skip
    """A request in the ring; the device has not heard of it."""
    ram, slot = driver.ram.data, driver.queues[0].added % 16
    header, place, status = HEADER + 0x20 * slot, DATA + 0x2000 * slot, STATUS + slot
    ram[header : header + 16] = struct.pack("<IIQ", kind, 0, sector)
    ram[status] = 0xAA
    ram[place : place + len(data)] = data
    size = len(data) or room
    cuts = sorted({size * n // pieces for n in range(pieces + 1)})
    parts = [(place + start, end - start, not data) for start, end in pairwise(cuts)]
    return driver.queues[0].add([(header, 16, False), *parts, (status, 1, True)], indirect=indirect)


def answer(driver: Driver, number: int, size: int = 0) -> tuple[int, bytes]:
    """Status and data of the request that was the `number`th to be submitted."""
    slot = number % 16
    return driver.ram.data[STATUS + slot], bytes(driver.ram.data[DATA + 0x2000 * slot :][:size])


def ask(driver: Driver, kind: int, sector: int, data: bytes = b"", room: int = 0, **how: Any) -> tuple[int, bytes]:
    number = driver.queues[0].added
    submit(driver, kind, sector, data, room, **how)
    driver.queues[0].kick()
    driver.run()
    return answer(driver, number, room)


requests = st.lists(
    st.tuples(
        st.sampled_from([READ, READ, WRITE_OUT, WRITE_OUT, FLUSH, ZEROES, DISCARD]),
        st.integers(0, SECTORS + 2),
        st.integers(1, 8),
        st.integers(1, 5),
        st.booleans(),
        st.booleans(),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(script=requests, event_index=st.booleans(), msix=st.booleans())
def test_a_disk_holds_what_was_last_written(script, event_index, msix):
    driver, disk = begun(event_index=event_index, msix=msix)
    model, expected, written = bytearray(image()), [], set()
    for kind, sector, count, pieces, indirect, kick in script:
        start, size = sector * SECTOR, count * SECTOR
        there = sector + count <= SECTORS
        data, room = b"", 0
        if kind == READ:
            room, good = size, there
        elif kind == WRITE_OUT:
            data, good = bytes([len(expected) + 1]) * size, there
            if there:
                model[start : start + size] = data
                written.update(range(sector // 8, (sector + count - 1) // 8 + 1))
        elif kind in (ZEROES, DISCARD):
            data, good = struct.pack("<QII", sector, count, 0), there
            if there and kind == ZEROES:
                model[start : start + size] = bytes(size)
                written.update(range(sector // 8, (sector + count - 1) // 8 + 1))
            if there and kind == DISCARD:
                for page in written.intersection(range(-(-sector // 8), (sector + count) // 8)):
                    model[page * 4096 : (page + 1) * 4096] = bytes(4096)
        else:
            good = True
        expected.append((0 if good else 1, bytes(model[start : start + size]) if kind == READ and there else None))
        submit(driver, kind, sector, data, room, pieces=pieces, indirect=indirect)
        if kick and driver.queues[0].wants_kick:
            driver.queues[0].kick()
            driver.run()
    if driver.queues[0].wants_kick:
        driver.queues[0].kick()
    driver.run()
    assert whole(disk) == model
    assert len(driver.queues[0].done()) == len(script)
    assert not driver.status & NEEDS_RESET
    for number, (status, data) in enumerate(expected):
        found = answer(driver, number, len(data or b""))
        assert found == (status, data if data is not None else b"")


def test_requests_of_a_queue_take_their_time_one_after_the_other():
    driver, _ = begun()
    for _ in range(3):
        submit(driver, READ, 0, room=SECTOR)
    driver.queues[0].kick()
    driver.run()
    assert driver.now == 4096 + 3 * (50_000 + SECTOR)


@pytest.mark.parametrize("event_index", [False, True])
def test_the_driver_is_interrupted_by_the_message_of_the_queue(event_index):
    driver, _ = begun(event_index=event_index)
    ask(driver, READ, 0, room=SECTOR)
    assert driver.slot.messages == [(0xFEE00000, 0x41)]


def test_without_messages_the_pin_says_so_until_the_status_is_read():
    driver, _ = begun(msix=False)
    ask(driver, READ, 0, room=SECTOR)
    line = driver.slot.outputs[-1]
    assert line.level
    assert driver.get(0x1000, 1) == 1
    assert not line.level
    assert driver.get(0x1000, 1) == 0


def test_a_driver_that_wants_no_interrupt_gets_none():
    driver, _ = begun(event_index=False)
    driver.ram.data[driver.queues[0].avail] = 1
    ask(driver, READ, 0, room=SECTOR)
    assert driver.slot.messages == []


def test_the_serial_number_and_the_size_are_the_disk_s():
    driver, _ = begun()
    assert ask(driver, GET_ID, 0, room=20) == (0, b"SERIAL-1".ljust(20, b"\0"))
    assert driver.get(0x2000, 8) == SECTORS


def test_a_read_only_disk_cannot_be_written():
    driver, disk = begun(unit(Protected))
    assert driver.features() & 1 << 5
    assert ask(driver, WRITE_OUT, 1, b"x" * SECTOR)[0] == 1
    assert ask(driver, ZEROES, 0, struct.pack("<QII", 0, 1, 0))[0] == 2
    assert whole(disk) == image()


def test_who_listens_hears_of_each_request_and_when_it_was_made_and_done():
    driver, disk = begun()
    heard = []
    disk.listeners.append(heard.append)
    ask(driver, FLUSH, 0)
    ask(driver, READ, 5, room=2 * SECTOR)
    flush, read = heard
    assert (flush.operation, flush.completed - flush.submitted) == ("flush", 20_000)
    assert (read.operation, read.sector, read.count, read.completed - read.submitted) == ("read", 5, 2, 51_024)


def test_what_is_not_known_is_not_supported():
    driver, _ = begun()
    assert ask(driver, 99, 0, room=SECTOR)[0] == 2
    assert not driver.status & NEEDS_RESET


def test_a_host_that_cannot_read_leaves_everything_as_it_was():
    driver, disk = begun()
    submit(driver, READ, 0, room=SECTOR)
    driver.queues[0].kick()
    disk.overlay.base.fail = MediumError("gone")
    with pytest.raises(MediumError):
        driver.run()
    assert driver.queues[0].done() == []
    assert answer(driver, 0, SECTOR) == (0xAA, bytes(SECTOR))


def test_a_reset_forgets_what_was_under_way():
    driver, disk = begun()
    submit(driver, WRITE_OUT, 0, b"x" * SECTOR)
    driver.queues[0].kick()
    driver.put(0x14, 1, 0)
    driver.run()
    assert whole(disk) == image()
    assert driver.status == 0
    driver.begin()
    assert ask(driver, READ, 3, room=SECTOR) == (0, image()[3 * SECTOR : 4 * SECTOR])


def test_features_that_are_not_offered_are_not_agreed_to():
    driver = Driver(lambda slot: VirtioBlock(slot, unit()))
    for half, value in ((0, 1 << 3), (1, 1)):
        driver.put(0x08, 4, half)
        driver.put(0x0C, 4, value)
    driver.put(0x14, 1, 0xB)
    assert not driver.status & 8


def hostile(*rows: tuple[int, int, int, int], index: int = 1, head: int = 0) -> Driver:
    """A driver with these descriptors: address, length, flags, next."""
    driver, _ = begun()
    queue, ram = driver.queues[0], driver.ram.data
    for number, row in enumerate(rows):
        at = queue.table + 16 * number
        ram[at : at + 16] = struct.pack("<QIHH", *row)
    ram[queue.avail + 4 : queue.avail + 6] = head.to_bytes(2, "little")
    ram[queue.avail + 2 : queue.avail + 4] = index.to_bytes(2, "little")
    queue.kick()
    driver.run()
    return driver


@pytest.mark.parametrize(
    "driver",
    [
        lambda: hostile((HEADER, 16, NEXT, 1), (DATA, 16, NEXT, 0)),
        lambda: hostile((HEADER, 16, NEXT, 0)),
        lambda: hostile((HEADER, 16, NEXT, 500)),
        lambda: hostile((HEADER, 16, 0, 0)),
        lambda: hostile((HEADER, 16, 0, 0), head=999),
        lambda: hostile((HEADER, 16, 0, 0), index=65),
        lambda: hostile((HEADER, 16, NEXT | WRITE, 1), (DATA, 16, 0, 0)),
        lambda: hostile((RINGS + TABLE, 16, INDIRECT, 0)),
        lambda: hostile((RINGS + TABLE, 17, INDIRECT, 0)),
        lambda: hostile((RINGS + TABLE, 0, INDIRECT, 0)),
        lambda: hostile((MEMORY * 2, 1 << 20, INDIRECT, 0)),
        lambda: hostile((RINGS + TABLE, 16, INDIRECT | NEXT, 1), (DATA, 1, WRITE, 0)),
    ],
)
def test_rings_that_make_no_sense_need_a_reset(driver):
    broken = driver()
    assert broken.status & NEEDS_RESET
    assert broken.slot.messages == [(0xFEE00000, 0x40)]
    broken.begin()
    assert ask(broken, READ, 0, room=SECTOR)[0] == 0


def test_a_request_of_four_gigabytes_is_refused_unread():
    driver = hostile((HEADER, 16, NEXT, 1), (0, 0xFFFF_FE00, NEXT | WRITE, 2), (STATUS, 1, WRITE, 0))
    assert driver.ram.data[STATUS] == 1
    assert driver.ram.largest <= MOST_DATA
    assert driver.ram.accesses < 40


def test_data_that_is_not_in_memory_goes_nowhere():
    driver = hostile((HEADER, 16, NEXT, 1), ((1 << 64) - 512, 1024, NEXT | WRITE, 2), (STATUS, 1, WRITE, 0))
    assert driver.ram.data[STATUS] == 0


words = st.one_of(st.integers(0, 80), st.integers(0, 0xFFFF))
addresses = st.one_of(
    st.sampled_from([0, HEADER, DATA, RINGS, MEMORY - 8, MEMORY, (1 << 64) - 16]), st.integers(0, (1 << 64) - 1)
)
lengths = st.one_of(st.sampled_from([0, 1, 16, 32, SECTOR, 0xFFFF_FFFF]), st.integers(0, 0x2000))
descriptors = st.lists(st.tuples(addresses, lengths, st.integers(0, 7), words), min_size=1, max_size=16)
pokes = st.lists(
    st.tuples(st.integers(0, 0x3FFF), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1)), max_size=6
)


@settings(max_examples=120, deadline=None)
@given(rows=descriptors, index=words, head=words, header=st.binary(min_size=16, max_size=16), writes=pokes)
def test_no_driver_does_harm(rows, index, head, header, writes):
    driver, _ = begun()
    queue, ram = driver.queues[0], driver.ram
    ram.data[HEADER : HEADER + 16] = header
    for number, row in enumerate(rows):
        at = queue.table + 16 * number
        ram.data[at : at + 16] = struct.pack("<QIHH", *row)
    ram.data[queue.avail + 4 : queue.avail + 6] = (head % 70).to_bytes(2, "little")
    ram.data[queue.avail + 2 : queue.avail + 4] = index.to_bytes(2, "little")
    queue.kick()
    ram.accesses = ram.largest = 0
    for offset, size, value in writes:
        driver.put(offset, size, value & (1 << 8 * size) - 1)
        driver.run(events=500)
    driver.run(events=500)
    assert len(ram.data) == MEMORY
    assert ram.largest <= MOST_DATA
