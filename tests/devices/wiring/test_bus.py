import random

import pytest

from devices.wiring.bus import Access, Direction, PortBus
from devices.wiring.claims import BusError
from devices.wiring.memory_bus import MemoryBus


class Registers:
    """A device that logs what reaches it and reads as its offset."""

    def __init__(self) -> None:
        self.log: list[tuple[int, int, int]] = []

    def read(self, offset: int, size: int, now: int) -> int:
        return offset if size == 1 else 0x0A0B0C0D & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.log.append((offset, size, value))


def test_a_port_reaches_its_device_at_the_offset_in_its_window():
    bus, device = PortBus(), Registers()
    bus.claim(range(0x3F8, 0x400), device, "com1")
    bus.write(0x3F9, 1, 0x5A, 0)
    assert bus.read(0x3FD, 1, 0) == 5
    assert device.log == [(1, 1, 0x5A)]


def test_wide_access_to_a_byte_wide_device_becomes_bytes_in_rising_order():
    bus, device = PortBus(), Registers()
    bus.claim(range(0x40, 0x44), device, "pit")
    bus.write(0x40, 4, 0x44332211, 0)
    assert device.log == [(0, 1, 0x11), (1, 1, 0x22), (2, 1, 0x33), (3, 1, 0x44)]
    assert bus.read(0x41, 2, 0) == 0x0201


def test_wide_access_goes_whole_to_a_device_that_takes_it_and_split_when_it_leaves_the_window():
    bus, device = PortBus(), Registers()
    bus.claim(range(0xCF8, 0xD00), device, "pci", wide=True)
    assert bus.read(0xCF8, 4, 0) == 0x0A0B0C0D
    bus.write(0xCFE, 4, 0x44332211, 0)
    assert device.log == [(6, 1, 0x11), (7, 1, 0x22)]
    assert bus.unclaimed == {(Direction.WRITE, 0xD00): 1, (Direction.WRITE, 0xD01): 1}


@pytest.mark.parametrize("size", [1, 2, 4])
def test_unclaimed_ports_float_high_and_are_counted_once_an_access(size):
    bus = PortBus()
    assert bus.read(0x1234, size, 0) == (1 << 8 * size) - 1
    bus.write(0xFFFF, size, 0, 0)
    assert bus.unclaimed == {(Direction.READ, 0x1234): 1, (Direction.WRITE, 0xFFFF): 1}


def test_partly_claimed_wide_read_floats_high_where_nobody_answers():
    bus = PortBus()
    bus.claim(range(0x60, 0x61), Registers(), "i8042 data")
    assert bus.read(0x60, 2, 0) == 0xFF00


def test_overlap_is_refused_naming_both_and_changes_nothing():
    bus = PortBus()
    bus.claim(range(0x60, 0x65), Registers(), "i8042")
    with pytest.raises(BusError, match="port 0060 is claimed by both i8042 and port61"):
        bus.claim(range(0x5F, 0x62), Registers(), "port61")
    assert [str(claim) for claim in bus.claims()] == ["0060-0064 i8042"]
    assert bus.read(0x5F, 1, 0) == 0xFF


@pytest.mark.parametrize("ports", [range(5, 5), range(0xFFFF, 0x10001), range(-1, 1), range(0, 8, 2)])
def test_ranges_that_are_no_ports_are_refused(ports):
    with pytest.raises(BusError, match="no range of I/O ports"):
        PortBus().claim(ports, Registers(), "x")


def test_tracer_sees_each_access_once_with_its_device():
    bus = PortBus()
    seen: list[Access] = []
    bus.claim(range(0x40, 0x44), Registers(), "pit")
    bus.read(0x40, 1, 1)
    bus.tracer = seen.append
    bus.read(0x42, 2, 7)
    bus.write(0x80, 1, 0x55, 8)
    assert seen == [
        Access(Direction.READ, 0x42, 2, 0x0302, 7, "pit"),
        Access(Direction.WRITE, 0x80, 1, 0x55, 8, None),
    ]


def test_memory_window_gets_accesses_whole_at_its_offset():
    bus, device = MemoryBus(), Registers()
    bus.claim(range(0xFEE00000, 0xFEE01000), device, "lapic")
    bus.write(0xFEE000B0, 4, 0, 0)
    assert device.log == [(0xB0, 4, 0)]
    assert bus.read(0xFEE00FFC, 4, 0) == 0x0A0B0C0D


def test_memory_access_across_the_end_of_a_window_is_split():
    bus, device = MemoryBus(), Registers()
    bus.claim(range(0xFEC00000, 0xFEC01000), device, "ioapic")
    bus.write(0xFEC00FFE, 4, 0x44332211, 0)
    assert device.log == [(0xFFE, 1, 0x11), (0xFFF, 1, 0x22)]
    assert bus.read(0xFEBFFFFF, 2, 0) == 0x00FF


def test_unclaimed_memory_floats_high_and_is_counted():
    bus = MemoryBus()
    assert bus.read(0xFED00000, 8, 0) == 0xFFFF_FFFF_FFFF_FFFF
    bus.write(0xFED00FFF, 1, 0, 0)
    assert bus.unclaimed == {(Direction.READ, 0xFED00000): 1, (Direction.WRITE, 0xFED00FFF): 1}


def test_memory_of_two_devices_does_not_overlap_and_may_be_less_than_a_page():
    bus = MemoryBus()
    bus.claim(range(0xFEC00000, 0xFEC01000), Registers(), "ioapic")
    bus.claim(range(0xFED00000, 0xFED00400), Registers(), "hpet")
    with pytest.raises(BusError, match="no range of physical addresses"):
        bus.claim(range(8, 8), Registers(), "other")
    with pytest.raises(BusError, match="address fec00000 is claimed by both ioapic and other"):
        bus.claim(range(0xFEBFF000, 0xFEC01000), Registers(), "other")
    assert [claim.name for claim in bus.claims()] == ["ioapic", "hpet"]


@pytest.mark.parametrize("seed", range(3))
def test_the_port_of_a_device_is_where_an_access_comes_to_it_whole(seed):
    class Asked(Registers):
        def read(self, offset: int, size: int, now: int) -> int:
            self.log.append((offset, size, now))
            return 0

    chance, bus, wanted, told = random.Random(seed), PortBus(), Asked(), []
    windows = [bus.window(8, Asked(), "before"), bus.window(16, wanted, "wanted", wide=True)]
    bus.claim(range(0x40, 0x44), Asked(), "fixed", wide=True)
    bus.on_moved = lambda: told.append(bus.port_of(wanted, 8, 4))
    found = set()
    for _ in range(300):
        chance.choice(windows).move(chance.choice([None, 0xFFF4, 0xFFF8, *range(0x28, 0x50)]))
        port = bus.port_of(wanted, 8, 4)
        asked = []
        for start in [*range(0x20, 0x60), *range(0xFFF0, 0x10000)]:
            wanted.log.clear()
            bus.read(start, 4, 0)
            asked += [start] if wanted.log == [(8, 4, 0)] else []
        assert asked == ([] if port is None else [port])
        assert not told or told[-1] == port
        found.add(port)
    assert None in found
    assert len(found) > 10
