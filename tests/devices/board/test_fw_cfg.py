"""fw_cfg by ports and by DMA, against the plain bytes of its items."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.board.fw_cfg import FwCfg, contents, fixed, number
from devices.scheduler import Scheduler
from devices.seam import BusMaster

FILES = {"etc/b": fixed(bytes(range(200))), "bootorder": fixed(b"/pci@i0cf8\0"), "opt/a": fixed(b"x" * 70_000)}
ITEMS = contents({0x0005: number(1, 2)}, FILES)
DESCRIPTOR, BUFFER = 0x1000, 0x4000


@dataclass
class Memory(BusMaster):
    """A megabyte that a bus master reaches."""

    data: bytearray = field(default_factory=lambda: bytearray(1 << 20))

    def read(self, address: int, size: int, request: str = "") -> bytes:
        return bytes(self.data[address : address + size]).ljust(size, b"\xff")

    def write(self, address: int, data: bytes, request: str = "") -> None:
        room = max(0, len(self.data) - address)
        self.data[address : address + len(data)] = data[:room]

    def look(self, address: int, size: int) -> bytes:
        return self.read(address, size)


class Bench:
    def __init__(self) -> None:
        self.scheduler, self.memory, self.now = Scheduler(), Memory(), 0
        self.device = FwCfg(ITEMS, self.scheduler.timer(FwCfg.name), self.memory)

    def read(self, key: int, size: int) -> bytes:
        self.device.write(0, 2, key, self.now)
        return bytes(self.device.read(1, 1, self.now) for _ in range(size))

    def transfer(self, control: int, length: int, address: int = BUFFER) -> int:
        """A whole one; the control field that it leaves, in host order."""
        self.memory.write(DESCRIPTOR, struct.pack(">IIQ", control, length, address))
        self.device.dma.write(4, 4, int.from_bytes(DESCRIPTOR.to_bytes(4, "big"), "little"), self.now)
        before = self.memory.read(DESCRIPTOR, 4)
        assert before == struct.pack(">I", control), "nothing happens within the access"
        while (due := self.scheduler.next_due()) is not None:
            self.now = due
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.device.on_event(event.name, due)
        return int.from_bytes(self.memory.read(DESCRIPTOR, 4), "big")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_firmware_finds_the_device_and_its_files(bench: Bench) -> None:
    assert bench.read(0, 4) == b"QEMU"
    assert bench.read(1, 4) == b"\x03\0\0\0"
    assert (
        bench.device.dma.read(0, 4, 0).to_bytes(4, "little") + bench.device.dma.read(4, 4, 0).to_bytes(4, "little")
        == b"QEMU CFG"
    )
    directory = bench.read(0x19, 4 + 3 * 64)
    entries = [struct.unpack(">IHH56s", directory[4 + 64 * n : 68 + 64 * n]) for n in range(3)]
    assert [(name.rstrip(b"\0").decode(), size) for size, _, _, name in entries] == [
        ("bootorder", 11), ("etc/b", 200), ("opt/a", 70_000),
    ]  # fmt: skip
    for size, key, _, name in entries:
        assert bench.read(key, size) == FILES[name.rstrip(b"\0").decode()]()


def test_what_is_not_there_reads_as_zero(bench: Bench) -> None:
    assert bench.read(0x1234, 3) == bytes(3)
    assert bench.read(5, 4) == b"\x01\0\0\0"


def test_a_transfer_in_pieces_moves_the_whole_item_once(bench: Bench) -> None:
    key = next(key for key, content in ITEMS.items() if content is FILES["opt/a"])
    assert bench.transfer(key << 16 | 0x08 | 0x02, 70_010) == 0
    assert bench.memory.read(BUFFER, 70_010) == b"x" * 70_000 + bytes(10)
    assert bench.now >= 70_010


def test_a_write_is_refused_and_leaves_everything(bench: Bench) -> None:
    assert bench.transfer(0x22 << 16 | 0x08 | 0x10, 4) == 1
    assert bench.read(0x21, 200) == bytes(range(200))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("select"), st.sampled_from([0x21, 0x20, 0x22, 0x77]), st.just(0)),
        st.tuples(st.just("port"), st.just(0), st.integers(0, 40)),
        st.tuples(st.just("read"), st.sampled_from([0, 0x21]), st.integers(0, 300)),
        st.tuples(st.just("skip"), st.sampled_from([0, 0x21]), st.integers(0, 300)),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(steps)
def test_ports_and_transfers_share_one_position(steps: list[tuple[str, int, int]]) -> None:
    bench, key, at = Bench(), 0, 0

    def expected(size: int) -> bytes:
        return (ITEMS[key]() if key in ITEMS else b"")[at : at + size].ljust(size, b"\0")

    for action, new, size in steps:
        if action == "select":
            bench.device.write(0, 2, new, 0)
            key, at = new, 0
            continue
        if action == "port":
            assert bytes(bench.device.read(1, 1, 0) for _ in range(size)) == expected(size)
        else:
            key, at = (new, 0) if new else (key, at)
            control = (new << 16 | 0x08 if new else 0) | (0x02 if action == "read" else 0x04)
            assert bench.transfer(control, size) == 0
            assert action == "skip" or bench.memory.read(BUFFER, size) == expected(size)
        at += size


def test_a_transfer_goes_on_where_it_was_saved() -> None:
    bench, other = Bench(), Bench()
    for one in (bench, other):
        one.memory.write(DESCRIPTOR, struct.pack(">IIQ", 0x22 << 16 | 0x0A, 70_000, BUFFER))
    bench.device.dma.write(4, 4, int.from_bytes(DESCRIPTOR.to_bytes(4, "big"), "little"), 0)
    saved = None
    while (due := bench.scheduler.next_due()) is not None:
        event = bench.scheduler.pop_due(due)
        assert event is not None
        bench.device.on_event(event.name, due)
        saved = saved or (bench.device.save(), bench.scheduler.save())
    assert saved is not None
    other.device.restore(saved[0])
    other.scheduler.restore(saved[1])
    while (due := other.scheduler.next_due()) is not None:
        event = other.scheduler.pop_due(due)
        assert event is not None
        other.device.on_event(event.name, due)
    assert other.memory.data == bench.memory.data
    assert other.device.save() == bench.device.save()
