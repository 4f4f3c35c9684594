"""Windows that move, against a model that asks every address by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wiring.bus import PORTS, PortBus, ones
from devices.wiring.claims import BusError
from devices.wiring.memory_bus import MemoryBus

BASES = {PortBus: (0xFFC0,), MemoryBus: (0xFE0, 0xFEDF_FFC0, 0x1_0000_0FC0, (1 << 40) - 0x40)}
"""Where accesses are: beside the ends of ports, of pages, of 4 GiB."""
SPAN = 0x80

starts = st.none() | st.integers(0, SPAN) | st.just(1 << 63)
windows = st.tuples(st.integers(1, 40), st.booleans())
accesses = st.tuples(st.booleans(), st.integers(0, SPAN - 1), st.sampled_from([1, 2, 4, 8]))
steps = st.lists(st.tuples(st.integers(0, 3), starts) | accesses, max_size=30)


@dataclass
class Part:
    """A device that logs what reaches it and reads as its number and offset."""

    number: int
    log: list[tuple[int, int, int, int]] = field(default_factory=list)

    def read(self, offset: int, size: int, now: int) -> int:
        self.log.append((self.number, offset, size, -1))
        return (self.number << 6 | offset) * 0x0101_0101_0101_0101 & ones(size)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.log.append((self.number, offset, size, value))


@dataclass
class Model:
    """Claims and windows in order, each (first address, size, takes wide accesses)."""

    places: list[tuple[int | None, int, bool]]
    limit: int

    def owner(self, address: int) -> int | None:
        for number, (start, size, _) in enumerate(self.places):
            if start is not None and start <= address < min(start + size, self.limit):
                return number
        return None

    def parts(self, address: int, size: int) -> list[tuple[int, int, int, int]]:
        """(Device, offset, size, lane) of the accesses that one is taken apart into."""
        owners = [self.owner(address + lane) for lane in range(size)]
        first = owners[0]
        if first is not None and set(owners) == {first} and (size == 1 or self.places[first][2]):
            return [(first, address - (self.places[first][0] or 0), size, 0)]
        whole = enumerate(owners)
        return [(n, address + lane - (self.places[n][0] or 0), 1, lane) for lane, n in whole if n is not None]


@pytest.mark.parametrize("kind", [PortBus, MemoryBus])
@settings(max_examples=120, deadline=None)
@given(data=st.data(), fixed=st.integers(0, SPAN - 8), sizes=st.lists(windows, min_size=1, max_size=4), script=steps)
def test_windows_answer_as_if_each_address_was_asked_by_itself(kind, data, fixed, sizes, script):
    base = data.draw(st.sampled_from(BASES[kind]))
    bus, log = kind(), list[tuple[int, int, int, int]]()
    limit = PORTS if kind is PortBus else 1 << 65
    if kind is PortBus:
        fixed = min(fixed, limit - base - 8)
        bus.claim(range(base + fixed, base + fixed + 8), Part(0, log), "fixed", wide=True)
        made = [bus.window(size, Part(n, log), f"w{n}", wide=wide) for n, (size, wide) in enumerate(sizes, 1)]
    else:
        bus.claim(range(base + fixed, base + fixed + 8), Part(0, log), "fixed")
        sizes = [(size, True) for size, _ in sizes]
        made = [bus.window(size, Part(n, log), f"w{n}") for n, (size, _) in enumerate(sizes, 1)]
    model = Model([(base + fixed, 8, True), *((None, size, wide) for size, wide in sizes)], limit)
    for step in script:
        match step:
            case (number, start):
                start = start if start is None or start > SPAN else base + start
                number %= len(made)
                made[number].move(start)
                assert made[number].start == start
                model.places[number + 1] = (start, *model.places[number + 1][1:])
            case (is_read, offset, size):
                address = base + offset
                if kind is PortBus and (address + size > PORTS or size == 8):
                    continue
                _check_access(bus, model, log, address, size, is_read=is_read)
    _check_claims(bus, model, range(base, min(base + 2 * SPAN, limit)))


def _check_access(bus, model, log, address, size, *, is_read):
    log.clear()
    parts = model.parts(address, size)
    value = 0x8877_6655_4433_2211 & ones(size)
    if is_read:
        lanes = bytearray(b"\xff" * size)
        for number, offset, length, lane in parts:
            lanes[lane : lane + length] = ((number << 6 | offset) * 0x0101_0101_0101_0101 & ones(length)).to_bytes(
                length, "little"
            )
        assert bus.read(address, size, 0) == int.from_bytes(lanes, "little")
        assert log == [(number, offset, length, -1) for number, offset, length, _ in parts]
    else:
        bus.write(address, size, value, 0)
        assert log == [(n, offset, length, value >> 8 * lane & ones(length)) for n, offset, length, lane in parts]
    assert bool(bus.unclaimed) or all(model.owner(address + lane) is not None for lane in range(size))


def _check_claims(bus, model, addresses):
    """What lists show is who answers."""
    shown = {}
    for claim in bus.claims():
        for address in addresses:
            if address in claim.addresses:
                assert address not in shown
                shown[address] = 0 if claim.name == "fixed" else int(claim.name[1:])
    assert shown == {address: owner for address in addresses if (owner := model.owner(address)) is not None}


def test_where_windows_are_now_decides_and_not_how_they_came_there():
    bus, log = PortBus(), list[tuple[int, int, int, int]]()
    early, late = (bus.window(8, Part(n, log), f"w{n}") for n in (1, 2))
    late.move(0x100)
    early.move(0x104)
    bus.read(0x104, 1, 0)
    early.move(None)
    bus.read(0x104, 1, 0)
    assert [entry[0] for entry in log] == [1, 2]


def test_a_claim_is_before_windows_that_were_there_first():
    bus, log = MemoryBus(), list[tuple[int, int, int, int]]()
    bus.window(0x1000, Part(1, log), "w1").move(0xFED0_0000)
    bus.read(0xFED0_0000, 4, 0)
    bus.claim(range(0xFED0_0000, 0xFED0_0400), Part(2, log), "hpet")
    bus.read(0xFED0_0000, 4, 0)
    with pytest.raises(BusError):
        bus.claim(range(0xFED0_03FF, 0xFED0_0401), Part(3, log), "other")
    assert [entry[0] for entry in log] == [1, 2]
