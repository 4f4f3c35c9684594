"""PCI functions against a model that knows one bit at a time, with random headers, writes and moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.pci.bars import Bar, Space, rom_bar
from devices.pci.config_space import Capability, Identity, Pin, Register
from devices.pci.function import PciFunction
from devices.pci.msi import Msi, Msix
from devices.scheduler import Scheduler
from tests.devices.conformance import BenchSlot

IDENTITY = Identity(0x1AF4, 0x1041, 0x020000, revision=1, subsystem_vendor=0x1AF4, subsystem=0x1100)
SPACES = {Space.IO: 0x1, Space.MEMORY32: 0x0, Space.MEMORY64: 0x4}
OWN = Register(0xF0, 4, value=0x1234_5678, writable=0x00FF_0000, cleared_by_ones=0x0000_FF00)


class Nobody:
    """A part that answers nothing."""

    def read(self, offset: int, size: int, now: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        pass


@dataclass
class Fitted:
    """A function on a bench, with the BARs that it was made of: number, space, size."""

    function: PciFunction
    slot: BenchSlot
    bars: list[tuple[int, Space, int]]
    rom_size: int

    def places(self) -> list[int | None]:
        return [window.start for window in self.slot.moved]


@dataclass
class NaiveHeader:
    """Bits by register and position: what they are, and which can be set or are cleared by a one."""

    bits: dict[int, int] = field(default_factory=dict)
    free: set[int] = field(default_factory=set)
    cleared: set[int] = field(default_factory=set)

    def write(self, register: int, size: int, value: int) -> None:
        for n in range(8 * size):
            at, new = 8 * register + n, value >> n & 1
            if at in self.free:
                self.bits[at] = new
            elif at in self.cleared and new:
                self.bits[at] = 0

    def read(self, register: int, size: int) -> int:
        return sum(self.bits.get(8 * register + n, 0) << n for n in range(8 * size))

    def put(self, register: int, size: int, value: int) -> None:
        for n in range(8 * size):
            self.bits[8 * register + n] = value >> n & 1

    def allow(self, register: int, *positions: int) -> None:
        self.free.update(8 * register + n for n in positions)


def naive(fitted: Fitted) -> NaiveHeader:
    """Written from the tables of chapter 6, not from the code."""
    model = NaiveHeader()
    for register, size, value in (
        (0x00, 4, 0x1041_1AF4), (0x06, 2, 0x0280), (0x08, 4, 0x0200_0001),
        (0x2C, 4, 0x1100_1AF4), (0x3D, 1, 1), (0xF0, 4, 0x1234_5678),
    ):  # fmt: skip
        model.put(register, size, value)
    model.allow(0x04, 0, 1, 2, 6, 8, 10)
    for register in (0x0C, 0x0D, 0x3C):
        model.allow(register, *range(8))
    model.cleared.update(8 * 0x06 + n for n in (8, 11, 12, 13, 14, 15))
    model.allow(0xF0, *range(16, 24))
    model.cleared.update(8 * 0xF0 + n for n in range(8, 16))
    for number, space, size in fitted.bars:
        model.put(0x10 + 4 * number, 4, SPACES[space])
        model.allow(0x10 + 4 * number, *range(size.bit_length() - 1, 64 if space is Space.MEMORY64 else 32))
    if fitted.rom_size:
        model.allow(0x30, 0, *range(fitted.rom_size.bit_length() - 1, 32))
    return model


def naive_places(model: NaiveHeader, fitted: Fitted) -> list[int | None]:
    """Where each window has to be, by the header."""
    places: list[int | None] = []
    for number, space, size in fitted.bars:
        enabled = model.bits.get(8 * 4 + (0 if space is Space.IO else 1), 0)
        start = model.read(0x10 + 4 * number, 8 if space is Space.MEMORY64 else 4) & -size
        end = {Space.IO: 1 << 16, Space.MEMORY32: 1 << 32, Space.MEMORY64: 1 << 64}[space]
        places.append(start if enabled and start and start + size < end else None)
    if fitted.rom_size:
        register = model.read(0x30, 4)
        start = register & -fitted.rom_size
        enabled = register & 1 and model.bits.get(8 * 4 + 1, 0)
        places.append(start if enabled and start and start + fitted.rom_size < 1 << 32 else None)
    return places


@st.composite
def fitted_functions(draw: st.DrawFn) -> Fitted:
    bars, number = [], 0
    while number < 6:
        space = draw(st.sampled_from([None, *SPACES]))
        if space is Space.MEMORY64 and number == 5:
            break
        if space is not None:
            low, high = (2, 8) if space is Space.IO else (4, 26)
            bars.append((number, space, 1 << draw(st.integers(low, high))))
        number += 2 if space is Space.MEMORY64 else 1
    rom = draw(st.sampled_from([b"", bytes(512), bytes(40_000)]))
    slot = BenchSlot("function", Scheduler())
    parts = {number: Bar(space, size, Nobody()) for number, space, size in bars}
    function = PciFunction(slot, IDENTITY, bars=parts, rom=rom, pin=Pin.INTA, registers=[OWN])
    return Fitted(function, slot, bars, rom_bar(rom).size if rom else 0)


sizes = st.sampled_from([1, 2, 4])
registers = st.one_of(
    st.integers(0x04, 0x33), st.sampled_from([0x04, 0x05, 0x06, 0xF0, 0xF1, 0xF2]), st.integers(0, 255)
)
values = st.one_of(
    st.sampled_from([0, 0xFFFF_FFFF, 0x7, 0x3, 0x0407, 0xE000_0000, 0xC001, 0xFEB0_0001]), st.integers(0, (1 << 32) - 1)
)
writes = st.lists(st.tuples(registers, sizes, values), max_size=30)


@settings(max_examples=150, deadline=None)
@given(fitted=fitted_functions(), writes=writes)
def test_every_bit_and_every_window_is_as_the_specification_has_it(
    fitted: Fitted, writes: list[tuple[int, ...]]
) -> None:
    model = naive(fitted)
    for register, size, value in writes:
        register &= -size
        fitted.function.write_config(register, size, value & (1 << 8 * size) - 1)
        model.write(register, size, value)
        at = register & ~3
        assert fitted.function.read_config(at, 4) == model.read(at, 4)
        assert fitted.places() == naive_places(model, fitted)
    whole = [fitted.function.read_config(at, 1) for at in range(256)]
    assert whole == [model.read(at, 1) for at in range(256)]


@settings(max_examples=50, deadline=None)
@given(fitted=fitted_functions(), before=writes, after=writes)
def test_windows_are_where_a_restored_header_says(
    fitted: Fitted, before: list[tuple[int, ...]], after: list[tuple[int, ...]]
) -> None:
    for register, size, value in before:
        fitted.function.write_config(register & -size, size, value & (1 << 8 * size) - 1)
    saved, places = fitted.function.save(), fitted.places()
    for register, size, value in after:
        fitted.function.write_config(register & -size, size, value & (1 << 8 * size) - 1)
    fitted.function.restore(saved)
    assert fitted.places() == places


def test_sizing_says_the_size_and_the_kind() -> None:
    slot = BenchSlot("function", Scheduler())
    bars = {
        0: Bar(Space.IO, 0x20, Nobody()),
        1: Bar(Space.MEMORY32, 0x1000, Nobody()),
        2: Bar(Space.MEMORY64, 0x4000, Nobody(), prefetchable=True),
    }
    function = PciFunction(slot, IDENTITY, bars=bars, rom=bytes(0x8001))
    for register in (0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x30):
        function.write_config(register, 4, 0xFFFF_FFFF)
    sizing = [function.read_config(register, 4) for register in (0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x30)]
    assert sizing == [0xFFFF_FFE1, 0xFFFF_F000, 0xFFFF_C00C, 0xFFFF_FFFF, 0, 0, 0xFFFF_0001]


@pytest.mark.parametrize("size", [0, 2, 3, 0x30, 0x200])
def test_ports_that_no_register_can_ask_for_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="cannot be had"):
        Bar(Space.IO, size, Nobody())


def test_bars_that_do_not_fit_are_refused() -> None:
    wide = Bar(Space.MEMORY64, 0x1000, Nobody())
    for bars in ({5: wide}, {6: wide}, {0: wide, 1: wide}):
        with pytest.raises(ValueError, match="does not fit"):
            PciFunction(BenchSlot("function", Scheduler()), IDENTITY, bars=bars)


def test_the_list_of_capabilities_leads_through_all() -> None:
    slot = BenchSlot("function", Scheduler())
    own = [Capability(0x09, bytes([16] + [0] * 13)), Capability(0x01, bytes(6))]
    taken = Register(0x40, 8, value=0xFFFF)
    function = PciFunction(slot, IDENTITY, capabilities=own, registers=[taken], msi=Msi(4), msix=Msix(5, bar=4))
    assert function.read_config(0x06, 1) & 0x10
    found, at = [], function.read_config(0x34, 1)
    while at:
        found.append((at, function.read_config(at, 1)))
        at = function.read_config(at + 1, 1)
    assert [capability for _, capability in found] == [0x09, 0x01, 0x05, 0x11]
    assert [at for at, _ in found] == list(function.capabilities)
    assert min(found)[0] >= 0x48
    assert function.read_config(0x40, 4) == 0xFFFF


def test_a_pin_is_driven_while_nothing_hides_it() -> None:
    slot = BenchSlot("function", Scheduler())
    function = PciFunction(slot, IDENTITY, pin=Pin.INTA, msi=Msi())
    line, msi = slot.outputs[0], function.capabilities[0]
    function.set_interrupt(True)
    assert line.level
    assert function.read_config(0x06, 2) & 0x08
    function.write_config(0x04, 2, 0x0400)
    assert not line.level
    assert function.read_config(0x06, 2) & 0x08, "the status bit shows it all the same"
    function.write_config(0x04, 2, 0)
    assert line.level
    function.write_config(msi + 2, 2, 1)
    assert not line.level
    function.write_config(msi + 2, 2, 0)
    assert line.level
    function.set_interrupt(False)
    assert not line.level


@dataclass
class NaiveMessages:
    """MSI-X as a table of dictionaries."""

    enabled: bool = False
    all_masked: bool = False
    master: bool = False
    masked: dict[int, bool] = field(default_factory=dict)
    data: dict[int, int] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    sent: list[int] = field(default_factory=list)

    def notify(self, vector: int) -> None:
        if self.enabled:
            self.pending.add(vector)
            self.flush()

    def flush(self) -> None:
        """A message is sent once its masks are gone; without the right to master the bus it gets lost."""
        for vector in sorted(self.pending):
            if self.enabled and not self.all_masked and not self.masked.get(vector, True):
                self.pending.discard(vector)
                if self.master:
                    self.sent.append(self.data.get(vector, 0))


VECTORS = 70
steps = st.lists(
    st.one_of(
        st.tuples(st.just("notify"), st.integers(0, VECTORS - 1)),
        st.tuples(st.just("mask"), st.integers(0, VECTORS - 1), st.booleans()),
        st.tuples(st.just("data"), st.integers(0, VECTORS - 1), st.integers(0, 255)),
        st.tuples(st.just("control"), st.sampled_from([0x0000, 0x8000, 0x8000, 0xC000])),
        st.tuples(st.just("command"), st.sampled_from([0x0000, 0x0004, 0x0004])),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, few=st.booleans())
def test_msix_sends_keeps_and_masks_as_a_model_does(steps: list[tuple[Any, ...]], few: bool) -> None:
    slot = BenchSlot("function", Scheduler())
    function = PciFunction(slot, IDENTITY, msix=Msix(VECTORS, bar=0))
    model, at, table = NaiveMessages(), function.capabilities[0], function.table
    assert table is not None
    function.write_config(0x04, 2, 0x04)
    model.master = True
    for action, number, *rest in steps:
        number = number % 3 if few and action in ("notify", "mask", "data") else number
        if action == "notify":
            function.notify(number)
            model.notify(number)
        elif action == "mask":
            table.write(16 * number + 12, 4, int(rest[0]), 0)
            model.masked[number] = bool(rest[0])
        elif action == "data":
            table.write(16 * number, 8, 0xFEE0_0000, 0)
            table.write(16 * number + 8, 4, rest[0], 0)
            model.data[number] = rest[0]
        elif action == "control":
            function.write_config(at + 2, 2, number)
            model.enabled, model.all_masked = bool(number & 0x8000), bool(number & 0x4000)
        else:
            function.write_config(0x04, 2, number)
            model.master = bool(number & 4)
        model.flush()
        assert [data for _, data in slot.messages] == model.sent
    offset = function.read_config(at + 8, 4) & ~7
    words = [table.read(offset + 8 * n, 8, 0) for n in range(2)]
    assert {n for n in range(VECTORS) if words[n // 64] >> n % 64 & 1} == model.pending
    assert [table.read(16 * n + 8, 4, 0) for n in range(VECTORS)] == [model.data.get(n, 0) for n in range(VECTORS)]


def test_msi_folds_vectors_into_those_allocated_and_keeps_what_is_masked() -> None:
    slot = BenchSlot("function", Scheduler())
    function = PciFunction(slot, IDENTITY, pin=Pin.INTA, msi=Msi(8))
    at = function.capabilities[0]
    assert function.read_config(at + 2, 2) == 0x0186
    function.write_config(0x04, 2, 0x04)
    function.write_config(at + 4, 4, 0xFEE0_1000)
    function.write_config(at + 12, 2, 0x4040)
    function.notify(0)
    assert slot.messages == []
    function.write_config(at + 2, 2, 0x0021)
    function.notify(5)
    assert slot.messages == [(0xFEE0_1000, 0x4041)]
    function.write_config(at + 16, 4, 0xFFFF_FFFF)
    assert function.read_config(at + 16, 4) == 0xFF
    function.notify(3)
    assert function.read_config(at + 20, 4) == 0x08
    function.write_config(at + 16, 4, 0)
    assert slot.messages[1:] == [(0xFEE0_1000, 0x4043)]
    assert function.read_config(at + 20, 4) == 0
