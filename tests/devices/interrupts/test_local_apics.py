"""Who gets a message on the bus of several local APICs, against a model that asks each whether it is meant."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.interrupts.apic_bus import (
    BROADCAST,
    DeliveryMode,
    InterruptMessage,
    Shorthand,
    destination_of_8_bits,
    signalled_message,
)
from devices.interrupts.ioapic import IoApic
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_messages import ProcessorPins
from devices.interrupts.local_apics import LocalApics, OwnLocalApic
from devices.interrupts.x2apic import X2Apic
from devices.scheduler import Scheduler
from tests.devices.conformance import RecordingLine

ID, TPR, EOI, LDR, DFR, SVR, ICR_LOW, ICR_HIGH = 0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x300, 0x310
X2APIC_BASE = 0xFEE0_0C00
SELF_IPI, ICR = 0x83F, 0x830


class Processor:
    """One with its local APIC, which notes what reaches it beside vectors."""

    def __init__(self, scheduler: Scheduler, number: int, apic_id: int) -> None:
        self.intr, self.nmi = RecordingLine(), RecordingLine()
        self.heard: list[object] = []
        pins = ProcessorPins(self.intr, self.nmi, lambda: self.heard.append("init"), self.heard.append)
        self.lapic = X2Apic(scheduler.timer(f"lapic{number}"), pins, lambda: 0x38, apic_id, f"lapic{number}")

    def __setitem__(self, register: int, value: int) -> None:
        self.lapic.write(register, 4, value, 0)

    def __getitem__(self, register: int) -> int:
        return self.lapic.read(register, 4, 0)

    def takes(self) -> list[object]:
        """All that it has got since it was last asked."""
        heard, self.heard = [*self.heard, *["nmi"] * self.nmi.rises()], []
        self.nmi.history.clear()
        while self.lapic.pending() is not None:
            heard.append(f"vector {self.lapic.acknowledge():#x}")
            self.lapic.write(EOI, 4, 0, 0)
            self.lapic.write_msr(0x80B, 0, 0)
        return heard


class Board:
    def __init__(self, *apic_ids: int) -> None:
        self.scheduler = Scheduler()
        self.processors = [Processor(self.scheduler, number, apic_id) for number, apic_id in enumerate(apic_ids)]
        self.bus = LocalApics([processor.lapic for processor in self.processors])
        for processor in self.processors:
            processor.lapic.bus = self.bus
            processor[SVR] = 0x1FF

    def takes(self) -> list[list[object]]:
        return [processor.takes() for processor in self.processors]

    def to_x2apic(self) -> None:
        for processor in self.processors:
            assert processor.lapic.set_base(X2APIC_BASE)


@dataclass(frozen=True)
class Setup:
    """How a guest has set one local APIC up."""

    ldr: int
    dfr: int
    tpr: int
    on: bool
    by_software: bool


setups = st.lists(
    st.builds(
        Setup, st.sampled_from([0, 1, 2, 4, 0x11, 0x12, 0x21, 0x80]), st.sampled_from([0xF, 0]),
        st.sampled_from([0, 0x10, 0x20, 0x2F]), st.sampled_from([True, True, True, False]),
        st.sampled_from([True, True, True, False]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip
modes = st.sampled_from([mode for mode in DeliveryMode if mode is not DeliveryMode.EXTINT])
destinations = st.one_of(st.integers(0, 5), st.sampled_from([0xFF, 0x11, 0x13, 0xF1, 0xF3, 0x80]))
shorthands = st.sampled_from(list(Shorthand))


@dataclass
class Model:
    """The rules of SDM 3A 11.6 said once more, one processor and one message a time."""

    setups: list[Setup]
    requested: list[int] = field(default_factory=list)

    def is_meant(self, number: int, destination: int, logical: bool) -> bool:
        own = self.setups[number].ldr
        if destination == 0xFF:
            return True
        if not logical:
            return number == destination
        if self.setups[number].dfr == 0xF:
            return own & destination != 0
        if destination >> 4 not in (0xF, own >> 4):
            return False
        return own & destination & 0xF != 0

    def expected(self, sender: int, icr: int, destination: int) -> list[list[object]]:
        mode, vector, shorthand = DeliveryMode(icr >> 8 & 7), icr & 0xFF, Shorthand(icr >> 18 & 3)
        heard: list[list[object]] = [[] for _ in self.setups]
        if not self.setups[sender].on or mode is DeliveryMode.RESERVED:
            return heard
        if mode is DeliveryMode.INIT and icr & 0xC000 == 0x8000:
            return heard
        if mode in (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY) and vector < 16:
            return heard
        meant = []
        for number, one in enumerate(self.setups):
            match shorthand:
                case Shorthand.NONE:
                    is_meant = self.is_meant(number, destination, bool(icr >> 11 & 1))
                case Shorthand.SELF:
                    is_meant = number == sender
                case Shorthand.ALL_INCLUDING_SELF:
                    is_meant = True
                case Shorthand.ALL_EXCLUDING_SELF:
                    is_meant = number != sender
            if is_meant and one.on:
                meant.append(number)
        if mode in (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY):
            meant = [number for number in meant if self.setups[number].by_software]
        if mode is DeliveryMode.LOWEST_PRIORITY and meant:
            least = min(self.setups[number].tpr if self.setups[number].tpr > 0xF else 0 for number in meant)
            meant = [number for number in meant if self.setups[number].tpr == least][:1]
        for number in meant:
            heard[number] += self.sees(number, mode, vector)
        return heard

    def sees(self, number: int, mode: DeliveryMode, vector: int) -> list[object]:
        match mode:
            case DeliveryMode.FIXED | DeliveryMode.LOWEST_PRIORITY:
                return [f"vector {vector:#x}"] if vector >> 4 > self.setups[number].tpr >> 4 else []
            case DeliveryMode.NMI:
                return ["nmi"]
            case DeliveryMode.INIT:
                return ["init"]
            case DeliveryMode.START_UP:
                return [vector]
            case _:
                return []


def set_up(setups: list[Setup]) -> Board:
    board = Board(*range(len(setups)))
    for processor, one in zip(board.processors, setups, strict=True):
        processor[LDR], processor[DFR], processor[TPR] = one.ldr << 24, one.dfr << 28, one.tpr
        processor[SVR] = 0x1FF if one.by_software else 0xFF
        if not one.on:
            assert processor.lapic.set_base(0xFEE0_0000)
    return board


@given(setups, st.data())
def test_an_ipi_reaches_whom_the_manual_says(setups: list[Setup], data: st.DataObject) -> None:
    board = set_up(setups)
    sender = data.draw(st.integers(0, len(setups) - 1), "sender")
    mode, destination = data.draw(modes, "mode"), data.draw(destinations, "destination")
    vector = data.draw(st.sampled_from([0x05, 0x15, 0x25, 0x31, 0x9A]), "vector")
    flags = data.draw(st.sampled_from([0, 0x800, 0x4000, 0x8000, 0xC000, 0x8800]), "flags")
    icr = data.draw(shorthands, "shorthand") << 18 | flags | mode << 8 | vector
    processor = board.processors[sender]
    processor[ICR_HIGH] = destination << 24
    processor[ICR_LOW] = icr
    assert board.takes() == Model(setups).expected(sender, icr, destination)


@given(setups, modes, destinations, st.booleans(), st.sampled_from([0x15, 0x31]))
def test_messages_of_io_apic_and_devices_reach_the_same(
    setups: list[Setup], mode: DeliveryMode, destination: int, logical: bool, vector: int
) -> None:
    """As if one that is on had sent it."""
    setups = [*setups, Setup(0, 0xF, 0xF0, True, False)]
    icr = logical << 11 | mode << 8 | vector
    expected = Model(setups).expected(len(setups) - 1, icr, destination)
    by_io_apic = set_up(setups)
    ioapic = IoApic(by_io_apic.bus)
    for register, value in ((0x13, destination << 24), (0x12, icr)):
        ioapic.write(0, 4, register, 0)
        ioapic.write(0x10, 4, value, 0)
    ioapic.input(1).set(True)
    assert by_io_apic.takes() == expected
    by_message = set_up(setups)
    message = signalled_message(0xFEE0_0000 | destination << 12 | logical << 2, icr & 0x7FF)
    assert message is not None
    by_message.bus.deliver(message)
    assert by_message.takes() == expected


def test_lowest_priority_goes_to_who_has_least_to_do_and_then_to_the_lowest_id() -> None:
    board = Board(0, 1, 2)
    message = InterruptMessage(BROADCAST, False, DeliveryMode.LOWEST_PRIORITY, 0x41, level_triggered=False)
    for first, expected in ((0, [True, False, False]), (1, [True, True, False]), (2, [True, True, True])):
        assert board.bus.deliver(message), first
        assert [processor.intr.level for processor in board.processors] == expected


def test_a_level_stays_at_the_io_apic_where_nobody_takes_it() -> None:
    board = Board(0, 1)
    ioapic = IoApic(board.bus)
    for processor in board.processors:
        processor[SVR] = 0xFF
        processor.lapic.on_end_of_interrupt(ioapic)
    for register, value in ((0x13, 1 << 24), (0x12, 0x8041)):
        ioapic.write(0, 4, register, 0)
        ioapic.write(0x10, 4, value, 0)
    ioapic.input(1).set(True)
    assert board.takes() == [[], []]
    board.processors[1][SVR] = 0x1FF
    ioapic.write(0x10, 4, 0x8041, 0)
    assert board.processors[1].intr.level
    ioapic.input(1).set(False)
    assert board.takes() == [[], ["vector 0x41"]]


def test_each_processor_finds_its_own_at_the_common_address() -> None:
    board = Board(0, 1)
    running = 0
    page = OwnLocalApic([processor.lapic for processor in board.processors], lambda: running)
    for running in (0, 1):
        page.write(TPR, 4, 0x10 * (running + 1), 0)
        assert page.read(ID, 4, 0) >> 24 == running
    assert [processor[TPR] for processor in board.processors] == [0x10, 0x20]


# x2APIC


@given(st.sets(st.integers(0, 0x2F), min_size=1, max_size=6), st.integers(0, 5), st.integers(0, 0xFFFF))
def test_x2apic_logical_destinations_are_a_cluster_of_sixteen(ids: set[int], cluster: int, members: int) -> None:
    board = Board(*sorted(ids))
    board.to_x2apic()
    assert board.processors[0].lapic.write_msr(ICR, (cluster << 16 | members) << 32 | 0x840, 0)
    expected = [apic_id >> 4 == cluster and bool(members >> (apic_id & 15) & 1) for apic_id in sorted(ids)]
    assert board.takes() == [["vector 0x40"] if is_meant else [] for is_meant in expected]


@pytest.mark.parametrize(("destination", "reached"), [(0, [0]), (0x21, [1]), (0xFF, []), (BROADCAST, [0, 1])])
def test_x2apic_physical_destinations_have_32_bits(destination: int, reached: list[int]) -> None:
    board = Board(0, 0x21)
    board.to_x2apic()
    assert board.processors[0].lapic.write_msr(ICR, destination << 32 | 0x40, 0)
    assert [number for number, heard in enumerate(board.takes()) if heard] == reached


def test_messages_with_eight_bits_reach_all_in_x2apic_mode_by_ffh() -> None:
    board = Board(0, 1)
    board.to_x2apic()
    board.bus.deliver(InterruptMessage(destination_of_8_bits(0xFF), False, DeliveryMode.FIXED, 0x40, False))
    assert board.takes() == [["vector 0x40"]] * 2


def test_self_ipi_is_one_write() -> None:
    board = Board(0, 1)
    board.to_x2apic()
    assert board.processors[1].lapic.write_msr(SELF_IPI, 0x55, 0)
    assert board.takes() == [[], ["vector 0x55"]]


def test_registers_are_in_memory_or_in_msrs_and_never_in_both() -> None:
    lapic = Board(3).processors[0].lapic
    assert lapic.read_msr(0x802, 0) is None
    assert not lapic.write_msr(0x808, 0x20, 0)
    lapic.write(LDR, 4, 1 << 24, 0)
    assert lapic.set_base(X2APIC_BASE)
    assert lapic.read(ID, 4, 0) == 0xFFFF_FFFF
    lapic.write(TPR, 4, 0x30, 0)
    assert (lapic.read_msr(0x808, 0), lapic.read_msr(0x802, 0), lapic.read_msr(0x80D, 0)) == (0, 3, 8)


ENABLED, EXTENDED = 0x800, 0x400


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ([0, ENABLED, ENABLED | EXTENDED, 0, ENABLED], [True] * 5),
        ([EXTENDED], [False]),
        ([ENABLED | EXTENDED, ENABLED], [True, False]),
        ([0, ENABLED | EXTENDED], [True, False]),
        ([ENABLED | EXTENDED, EXTENDED], [True, False]),
        ([ENABLED | 0x200], [False]),
        ([ENABLED | 0x001], [False]),
    ],
)
def test_modes_change_as_figure_11_27_has_it(path: list[int], good: list[bool]) -> None:
    lapic = Board(0).processors[0].lapic
    assert [lapic.set_base(0xFEE0_0100 | bits) for bits in path] == good


def test_a_local_apic_without_the_mode_refuses_it() -> None:
    pins = ProcessorPins(RecordingLine(), RecordingLine(), lambda: None, lambda vector: None)
    lapic = Lapic(Scheduler().timer("lapic"), pins, lambda: 0)
    assert not lapic.set_base(X2APIC_BASE)
    assert lapic.set_base(0xFEE0_0900)


def test_init_leaves_the_mode_and_turning_off_ends_it() -> None:
    board = Board(0, 2)
    board.to_x2apic()
    assert board.processors[0].lapic.write_msr(ICR, 2 << 32 | 0x4500, 0)
    target = board.processors[1]
    assert target.takes() == ["init"]
    assert target.lapic.read_msr(0x80F, 0) == 0xFF
    assert target.lapic.set_base(0)
    assert target.lapic.set_base(0xFEE0_0800)
    assert target[SVR] == 0xFF


READABLE = {2, 3, 8, 0xA, 0xD, 0xF, *range(0x10, 0x29), 0x30, *range(0x32, 0x3A), 0x3E}
WRITABLE = {8, 0xB, 0xF, 0x28, 0x30, *range(0x32, 0x39), 0x3E, 0x3F}
NONZERO_REFUSED = {0xB, 0x28}


def test_accesses_fault_as_table_11_6_has_it() -> None:
    lapic = Board(0).processors[0].lapic
    assert lapic.set_base(X2APIC_BASE)
    assert {number for number in range(0x100) if lapic.read_msr(0x800 + number, 0) is not None} == READABLE
    assert {number for number in range(0x100) if lapic.write_msr(0x800 + number, 0, 0)} == WRITABLE
    assert not any(lapic.write_msr(0x800 + number, 1, 0) for number in NONZERO_REFUSED)
    refused = {number for number in WRITABLE - {0x30} if not lapic.write_msr(0x800 + number, 1 << 32, 0)}
    assert refused == WRITABLE - {0x30}


@given(st.integers(0, (1 << 64) - 1), st.booleans())
def test_reserved_bits_of_the_icr_fault(value: int, legal: bool) -> None:
    lapic = Board(0).processors[0].lapic
    assert lapic.set_base(X2APIC_BASE)
    value = (value & ~0xFFF3_2000 if legal else value) & ~0x700  # INIT to itself would reset the ICR
    assert lapic.write_msr(ICR, value, 0) == (not value & 0xFFF3_2000)
    if not value & 0xFFF3_2000:
        assert lapic.read_msr(ICR, 0) == value & ~0x1000
