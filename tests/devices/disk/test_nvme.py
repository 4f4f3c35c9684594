"""NVMe against a model of a disk, and against drivers that do as they please."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.disk import nvme_registers as reg
from devices.disk.medium import SECTOR, MediumError
from devices.disk.nvme import Nvme
from devices.disk.unit import DiskUnit
from devices.scheduler import Scheduler
from tests.devices.disk.bench import disk
from tests.devices.virtio.driver import MEMORY, Slot

SECTORS = 600
ADMIN_SQ, ADMIN_CQ, SQ, CQ, LISTS, DATA = 0x1000, 0x2000, 0x3000, 0x4000, 0x6000, 0x20000
ENTRIES = 16
FLUSH, WRITE, READ, ZEROES = 0, 1, 2, 8
SUCCESS, INVALID_OPCODE, INVALID_FIELD, LBA_RANGE = 0, 1, 2, 0x80


def image() -> bytes:
    return bytes((5 * n + n // 509) & 0xFF for n in range(SECTORS * SECTOR))


class Driver:
    """From reset to one pair of I/O queues, as 7.6.1 has it."""

    def __init__(self, *, msix: bool = True) -> None:
        self.scheduler = Scheduler()
        self.slot = Slot("nvme", self.scheduler)
        self.ram = self.slot.ram
        self.disk: DiskUnit = disk("disk0", image())
        self.device = Nvme(self.slot, self.disk)
        self.now = 0
        self.msix = msix
        self.tails, self.heads, self.phases = {0: 0, 1: 0}, {0: 0, 1: 0}, {0: 1, 1: 1}

    def begin(self) -> Driver:
        function = self.device.function
        function.write_config(4, 2, 6)
        if self.msix:
            function.write_config(function.capabilities[-1] + 2, 2, 0x8000)
            for vector in range(9):
                for dword, value in enumerate((0xFEE00000, 0, 0x40 + vector, 0)):
                    function.table.write(16 * vector + 4 * dword, 4, value, 0)
        self.put(reg.CC, 4, 0)
        self.put(reg.AQA, 4, ENTRIES - 1 | ENTRIES - 1 << 16)
        self.put(reg.ASQ, 8, ADMIN_SQ)
        self.put(reg.ACQ, 8, ADMIN_CQ)
        self.put(reg.CC, 4, 0x0046_0001)
        assert self.get(reg.CSTS, 4) == 1
        self.tails, self.heads, self.phases = {0: 0, 1: 0}, {0: 0, 1: 0}, {0: 1, 1: 1}
        assert self.admin(5, prp1=CQ, words=(1 | ENTRIES - 1 << 16, 3 | 1 << 16))[0] == SUCCESS
        assert self.admin(1, prp1=SQ, words=(1 | ENTRIES - 1 << 16, 1 | 1 << 16))[0] == SUCCESS
        return self

    def get(self, offset: int, size: int) -> int:
        return self.device.read(offset, size, self.now)

    def put(self, offset: int, size: int, value: int) -> None:
        self.device.write(offset, size, value, self.now)

    def run(self, events: int = 5000) -> None:
        for _ in range(events):
            due = self.scheduler.next_due()
            if due is None:
                return
            self.now = max(self.now, due)
            self.device.on_event(self.scheduler.pop_due(self.now).name, self.now)
        raise AssertionError("deadlines without end")

    def submit(self, queue: int, opcode: int, prp1: int = 0, prp2: int = 0, words: tuple[int, ...] = (),
               namespace: int = 1) -> None:  # fmt: skip
        entry = struct.pack("<BBHI16xQQ", opcode, 0, self.tails[queue], namespace, prp1, prp2)
        entry += struct.pack("<6I", *(*words, *[0] * (6 - len(words))))
        at = (ADMIN_SQ, SQ)[queue] + 64 * self.tails[queue]
        self.ram.data[at : at + 64] = entry
        self.tails[queue] = (self.tails[queue] + 1) % ENTRIES

    def ring(self, queue: int) -> None:
        self.put(reg.DOORBELLS + 8 * queue, 4, self.tails[queue])

    def completions(self, queue: int) -> list[tuple[int, int, int]]:
        """Status, result and identifier of what is new; the controller is told that they were taken."""
        found = []
        while True:
            at = (ADMIN_CQ, CQ)[queue] + 16 * self.heads[queue]
            result, _, _, last = struct.unpack_from("<IIII", self.ram.data, at)
            if last >> 16 & 1 != self.phases[queue]:
                break
            found.append((last >> 17, result, last & 0xFFFF))
            self.heads[queue] = (self.heads[queue] + 1) % ENTRIES
            self.phases[queue] ^= not self.heads[queue]
        if found:
            self.put(reg.DOORBELLS + 8 * queue + 4, 4, self.heads[queue])
        return found

    def ask(self, queue: int, *command: Any, **more: Any) -> tuple[int, int]:
        self.submit(queue, *command, **more)
        self.ring(queue)
        self.run()
        ((status, result, _),) = self.completions(queue)
        return status, result

    def admin(self, opcode: int, **more: Any) -> tuple[int, int]:
        return self.ask(0, opcode, **more)

    def scattered(self, offset: int, size: int) -> tuple[int, int, list[tuple[int, int]]]:
        """PRP1, PRP2 and the parts of `size` bytes at an offset in a page: pages in descending order."""
        count = (offset + size + 4095) // 4096
        pages = [DATA + 4096 * (count - n) for n in range(count)]
        parts, left = [], size
        for n, page in enumerate(pages):
            inside = offset if n == 0 else 0
            parts.append((page + inside, min(left, 4096 - inside)))
            left -= parts[-1][1]
        rest = pages[1:]
        prp2 = LISTS if len(rest) > 1 else rest[0] if rest else 0
        self.ram.data[LISTS : LISTS + 8 * len(rest)] = struct.pack(f"<{len(rest)}Q", *rest)
        return pages[0] + offset, prp2, parts


def begun(**how: Any) -> Driver:
    return Driver(**how).begin()


@settings(max_examples=40, deadline=None)
@given(
    script=st.lists(
        st.tuples(st.sampled_from([READ, WRITE, ZEROES, FLUSH]), st.integers(0, SECTORS + 1), st.integers(1, 70),
                  st.integers(0, 7)),
        max_size=25,
    ),
    msix=st.booleans(),
)  # fmt: skip
def test_a_disk_holds_what_was_last_written(script, msix):
    driver, model = begun(msix=msix), bytearray(image())
    for number, (opcode, lba, count, slide) in enumerate(script):
        size, start = count * SECTOR, lba * SECTOR
        there = lba + count <= SECTORS or opcode == FLUSH
        prp1, prp2, parts = driver.scattered(512 * slide, size)
        data = bytes([number + 1]) * size
        if opcode == WRITE:
            for at, length in parts:
                driver.ram.data[at : at + length] = data[:length]
        status, _ = driver.ask(1, opcode, prp1, prp2, (lba, 0, count - 1))
        assert status == (SUCCESS if there else LBA_RANGE)
        if there and opcode in (WRITE, ZEROES):
            model[start : start + size] = data if opcode == WRITE else bytes(size)
        if there and opcode == READ:
            assert b"".join(driver.ram.data[at : at + length] for at, length in parts) == model[start : start + size]
    assert driver.disk.read(0, SECTORS) == model


def test_it_says_who_it_is_and_how_large():
    driver = begun()
    assert driver.admin(6, prp1=DATA, words=(1,))[0] == SUCCESS
    assert driver.ram.data[DATA + 4 : DATA + 24] == b"Sdisk0".ljust(20)
    assert driver.admin(6, prp1=DATA, words=(0,))[0] == SUCCESS
    assert struct.unpack_from("<Q", driver.ram.data, DATA) == (SECTORS,)
    assert driver.admin(6, prp1=DATA, words=(9,))[0] == INVALID_FIELD


def test_commands_of_a_queue_take_their_time_one_after_the_other():
    driver = begun()
    began = driver.now
    for _ in range(3):
        driver.submit(1, READ, DATA, 0, (0, 0, 0))
    driver.ring(1)
    driver.run()
    assert driver.now - began == 4096 + 3 * (50_000 + SECTOR)
    assert driver.slot.messages[-3:] == [(0xFEE00000, 0x41)] * 3


def test_a_full_completion_queue_holds_commands_back_and_loses_none():
    driver = begun()
    for _ in range(3):
        for _ in range(7):
            driver.submit(1, FLUSH)
        driver.ring(1)
        driver.run()
    taken = driver.completions(1)
    driver.run()
    taken += driver.completions(1)
    driver.run()
    taken += driver.completions(1)
    assert [status for status, _, _ in taken] == [SUCCESS] * 21


def test_the_pin_is_asserted_until_completions_are_taken():
    driver = begun(msix=False)
    line = driver.slot.outputs[-1]
    assert not line.level
    driver.submit(1, FLUSH)
    driver.ring(1)
    driver.run()
    assert line.level
    driver.put(reg.INTMS, 4, 2)
    assert not line.level
    driver.put(reg.INTMC, 4, 2)
    assert line.level
    driver.completions(1)
    assert not line.level


def test_queues_can_be_deleted_in_order_and_made_again():
    driver = begun()
    assert driver.admin(4, words=(1,))[0] == 0x10C
    assert driver.admin(0, words=(1,))[0] == SUCCESS
    assert driver.admin(4, words=(1,))[0] == SUCCESS
    assert driver.admin(1, prp1=SQ, words=(1 | 15 << 16, 1 | 1 << 16))[0] == 0x100
    assert driver.admin(5, prp1=CQ, words=(9 | 15 << 16, 1))[0] == 0x101


def test_a_shutdown_ends():
    driver = begun()
    driver.put(reg.CC, 4, 0x0046_4001)
    assert driver.get(reg.CSTS, 4) == 1 | 1 << 2
    driver.run()
    assert driver.get(reg.CSTS, 4) == 1 | 2 << 2


def test_a_host_that_cannot_read_leaves_everything_as_it_was():
    driver = begun()
    driver.submit(1, READ, DATA, 0, (0, 0, 0))
    driver.ring(1)
    driver.disk.overlay.base.fail = MediumError("gone")
    with pytest.raises(MediumError):
        driver.run()
    assert driver.completions(1) == []
    assert driver.ram.data[DATA : DATA + SECTOR] == bytes(SECTOR)


@pytest.mark.parametrize(
    ("prp1", "prp2", "blocks", "status"),
    [
        (DATA, 0x123, 16, 0x13),
        (DATA, 0x124, 64, 0x13),
        (DATA, LISTS + 4096 - 8, 64, 0x13),
        (DATA, 0, 0x10000, INVALID_FIELD),
    ],
)
def test_lists_that_are_none_are_refused(prp1, prp2, blocks, status):
    driver = begun()
    driver.ram.data[LISTS + 4096 - 8 : LISTS + 4096] = (LISTS + 4096 - 8).to_bytes(8, "little")
    assert driver.ask(1, READ, prp1, prp2, (0, 0, blocks - 1))[0] == status


def test_a_list_that_leads_on_to_another_is_followed():
    driver = begun()
    first = LISTS + 4096 - 16
    driver.ram.data[first : first + 16] = struct.pack("<QQ", DATA + 0x8000, LISTS + 8192)
    driver.ram.data[LISTS + 8192 : LISTS + 8208] = struct.pack("<QQ", DATA + 0x4000, DATA + 0x2000)
    assert driver.ask(1, READ, DATA, first, (0, 0, 4 * 8 - 1))[0] == SUCCESS
    parts = (DATA, DATA + 0x8000, DATA + 0x4000, DATA + 0x2000)
    assert b"".join(driver.ram.data[at : at + 4096] for at in parts) == image()[: 4 * 4096]


words32 = st.one_of(st.integers(0, 70), st.integers(0, 0xFFFF_FFFF))
places = st.one_of(
    st.sampled_from([0, DATA, DATA + 8, LISTS, LISTS + 4088, MEMORY, (1 << 64) - 4096]), st.integers(0, (1 << 64) - 1)
)
commands = st.tuples(st.integers(0, 14), places, places, st.lists(words32, min_size=6, max_size=6), st.integers(0, 3))
pokes = st.tuples(st.integers(0, 0x1040), st.sampled_from([4, 4, 8, 1]), st.integers(0, (1 << 64) - 1))


@settings(max_examples=120, deadline=None)
@given(script=st.lists(st.one_of(st.tuples(st.integers(0, 1), commands), pokes), max_size=12))
def test_no_driver_does_harm(script):
    driver = begun()
    driver.ram.largest = 0
    for first, second, *rest in script:
        if rest:
            driver.put(first & ~3, second, rest[0] & (1 << 8 * second) - 1)
        else:
            opcode, prp1, prp2, words, namespace = second
            driver.submit(first, opcode, prp1, prp2, tuple(words), namespace)
            driver.ring(first)
        driver.run()
    assert driver.ram.largest <= reg.MOST_DATA
    assert len(driver.ram.data) == MEMORY


def test_deallocated_ranges_are_given_back() -> None:
    driver = begun()
    disk = driver.disk
    disk.write(0, b"w" * (SECTOR * 32))
    ranges = struct.pack("<IIQ", 0, 8, 8) + struct.pack("<IIQ", 7, 12, 20)
    driver.ram.data[DATA : DATA + len(ranges)] = ranges
    assert driver.ask(1, 0x09, prp1=DATA, words=(1, 0)) == (0, 0)
    assert disk.read(0, 32) == b"w" * (SECTOR * 32), "a hint"
    assert driver.ask(1, 0x09, prp1=DATA, words=(1, 4)) == (0, 0)
    expected = b"w" * (8 * SECTOR) + bytes(8 * SECTOR) + b"w" * (8 * SECTOR) + bytes(8 * SECTOR)
    assert disk.read(0, 32) == expected
    driver.ram.data[DATA : DATA + 16] = struct.pack("<IIQ", 0, 1, SECTORS)
    status, _ = driver.ask(1, 0x09, prp1=DATA, words=(0, 4))
    assert status == 0x80
    assert disk.read(0, 32) == expected
