import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.interrupts.apic_bus import (
    DeliveryMode,
    InterruptMessage,
    destination_of_8_bits,
    signalled_message,
)
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_messages import ProcessorPins
from devices.interrupts.lapic_timer import LapicTimer, TimerMemory
from devices.interrupts.local_apics import LocalApics
from devices.scheduler import Scheduler
from tests.devices.conformance import RecordingLine

ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR = 0x20, 0x30, 0x80, 0xA0, 0xB0, 0xD0, 0xE0, 0xF0
ESR, ICR_LOW, ICR_HIGH, LVT_TIMER, LINT0, LINT1, LVT_ERROR = 0x280, 0x300, 0x310, 0x320, 0x350, 0x360, 0x370
INITIAL, CURRENT, DIVIDE = 0x380, 0x390, 0x3E0
DIVIDE_BY_1, DIVIDE_BY_16 = 0xB, 0x3


class Board:
    """An enabled local APIC whose 8259A pair answers INTA with 38h."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.intr, self.nmi = RecordingLine(), RecordingLine()
        self.ended: list[int] = []
        self.inits = 0
        self.started_at: list[int] = []
        pins = ProcessorPins(self.intr, self.nmi, self.init, self.started_at.append)
        self.lapic = Lapic(self.scheduler.timer("lapic"), pins, self.acknowledge_pic)
        self.lapic.bus = self.bus = LocalApics([self.lapic])
        self.lapic.on_end_of_interrupt(self)
        self.now = 0
        self[SVR] = 0x1FF

    def acknowledge_pic(self) -> int:
        self.lapic.lint0.set(False)
        return 0x38

    def init(self) -> None:
        self.inits += 1

    def end_of_interrupt(self, vector: int) -> None:
        self.ended.append(vector)

    def at(self, now: int) -> "Board":
        while (due := self.scheduler.next_due()) is not None and due <= now:
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.lapic.on_event(event.name, due)
        self.now = now
        return self

    def __getitem__(self, register: int) -> int:
        return self.lapic.read(register, 4, self.now)

    def __setitem__(self, register: int, value: int) -> None:
        self.lapic.write(register, 4, value, self.now)

    def send(self, vector: int, *, level: bool = False, mode: DeliveryMode = DeliveryMode.FIXED, **to: int) -> bool:
        destination = destination_of_8_bits(to.get("destination", 0))
        return self.bus.deliver(InterruptMessage(destination, bool(to.get("logical")), mode, vector, level))


def test_version_has_six_lvt_entries():
    assert Board()[VERSION] == 0x0005_0014


def test_fixed_message_raises_intr_and_goes_from_irr_to_isr():
    board = Board()
    assert board.send(0x41)
    assert board.intr.level
    assert board[0x220] == 2
    assert board.lapic.acknowledge() == 0x41
    assert not board.intr.level
    assert (board[0x220], board[0x120]) == (0, 2)
    board[EOI] = 0
    assert board[0x120] == 0


def test_priority_class_of_what_is_in_service_holds_back_the_same_class():
    board = Board()
    board.send(0x45)
    board.lapic.acknowledge()
    board.send(0x4F)
    assert not board.intr.level
    assert board[PPR] == 0x40
    board.send(0x51)
    assert board.lapic.acknowledge() == 0x51
    board[EOI] = 0
    assert not board.intr.level
    board[EOI] = 0
    assert board.lapic.acknowledge() == 0x4F


def test_task_priority_holds_back_its_class_and_below():
    board = Board()
    board[TPR] = 0x50
    board.send(0x5F)
    assert not board.intr.level
    board.lapic.set_tpr(0x4F)
    assert board.intr.level
    assert board[TPR] == 0x4F


def test_acknowledge_without_a_request_is_the_spurious_vector_and_not_in_service():
    board = Board()
    board.send(0x41)
    board.lapic.set_tpr(0xF0)
    assert board.lapic.acknowledge() == 0xFF
    assert board[0x120] == 0


def test_eoi_of_a_level_interrupt_is_broadcast_and_of_an_edge_interrupt_is_not():
    board = Board()
    for vector, level in ((0x61, True), (0x71, False)):
        board.send(vector, level=level)
        board.lapic.acknowledge()
        board[EOI] = 0
    assert board.ended == [0x61]


def test_one_shot_timer_interrupts_once_at_initial_count_times_divisor():
    board = Board()
    board[LVT_TIMER] = 0xEC
    board[DIVIDE] = DIVIDE_BY_16
    board.at(1000)[INITIAL] = 100
    assert board.scheduler.next_due() == 1000 + 1600
    assert board.at(1000 + 15)[CURRENT] == 100
    assert board.at(1000 + 800)[CURRENT] == 50
    board.at(2599)
    assert not board.intr.level
    board.at(2600)
    assert board.lapic.acknowledge() == 0xEC
    assert board[CURRENT] == 0
    assert board.scheduler.next_due() is None


def test_periodic_timer_does_not_drift_even_if_events_come_late():
    board = Board()
    board[LVT_TIMER] = 0x200EC
    board[DIVIDE] = DIVIDE_BY_1
    board[INITIAL] = 1000
    event = board.scheduler.pop_due(5_300)
    assert event is not None
    board.lapic.on_event(event.name, 5_300)
    assert board.scheduler.next_due() == 6_000
    assert board.at(5_301)[CURRENT] == 699


def test_masked_timer_schedules_nothing_but_counts():
    board = Board()
    board[LVT_TIMER] = 0x300EC
    board[DIVIDE] = DIVIDE_BY_1
    board[INITIAL] = 1000
    assert board.scheduler.next_due() is None
    assert board.at(4_400)[CURRENT] == 600
    board[LVT_TIMER] = 0x200EC
    assert not board.intr.level
    assert board.scheduler.next_due() == 5_000


def test_changing_the_divisor_goes_on_from_the_current_count():
    board = Board()
    board[LVT_TIMER] = 0xEC
    board[DIVIDE] = DIVIDE_BY_1
    board[INITIAL] = 1000
    board.at(400)[DIVIDE] = DIVIDE_BY_16
    assert board[CURRENT] == 600
    assert board.scheduler.next_due() == 400 + 600 * 16


def test_writing_zero_stops_the_timer():
    board = Board()
    board[LVT_TIMER] = 0xEC
    board[INITIAL] = 1000
    board[INITIAL] = 0
    assert board.scheduler.next_due() is None


@pytest.mark.parametrize(
    ("configuration", "divisor"),
    list(zip((0, 1, 2, 3, 8, 9, 10, 11), (2, 4, 8, 16, 32, 64, 128, 1), strict=True)),
)
def test_divide_configurations_of_figure_11_10(configuration, divisor):
    timer = LapicTimer(TimerMemory())
    timer.set_divide_configuration(configuration, 0, periodic=False)
    assert timer.divisor == divisor


def test_virtual_wire_mode_passes_the_pic_through_lint0():
    board = Board()
    board.lapic.set_virtual_wire_mode()
    board.lapic.lint0.set(True)
    assert board.intr.level
    assert board.lapic.acknowledge() == 0x38
    assert not board.intr.level
    assert board[0x110] == 0, "ExtINT does not go in service"


def test_masked_lint0_holds_the_pic_off_until_unmasked():
    board = Board()
    board[LINT0] = 0x10700
    board.lapic.lint0.set(True)
    assert not board.intr.level
    board[LINT0] = 0x700
    assert board.intr.level


def test_lint0_in_fixed_mode_interrupts_on_the_edge():
    board = Board()
    board[LINT0] = 0x31
    board.lapic.lint0.set(True)
    assert board.lapic.acknowledge() == 0x31
    board[EOI] = 0
    assert not board.intr.level


def test_level_triggered_lint_repeats_until_the_line_falls():
    board = Board()
    board[LINT1] = 0x8055
    board.lapic.lint1.set(True)
    assert board.lapic.acknowledge() == 0x55
    assert board[LINT1] & 0x4000
    board[EOI] = 0
    assert board.lapic.acknowledge() == 0x55
    board.lapic.lint1.set(False)
    board[EOI] = 0
    assert not board.intr.level


def test_lint1_pulses_nmi():
    board = Board()
    board.lapic.set_virtual_wire_mode()
    board.lapic.lint1.set(True)
    assert board.nmi.history == [True, False]
    board.lapic.lint1.set(True)
    assert board.nmi.rises() == 1


def test_extint_message_from_the_io_apic_asks_the_pic():
    board = Board()
    board[LINT0] = 0x10000
    board.send(0, mode=DeliveryMode.EXTINT)
    assert board.lapic.acknowledge() == 0x38
    assert not board.intr.level


@pytest.mark.parametrize(
    ("ldr", "dfr", "destination", "accepted"),
    [
        (0x01, 0xF, 0x03, True),
        (0x04, 0xF, 0x03, False),
        (0x12, 0x0, 0x12, True),
        (0x12, 0x0, 0x22, False),
        (0x12, 0x0, 0xF2, True),
        (0x12, 0x0, 0x11, False),
        (0x00, 0xF, 0xFF, True),
    ],
)
def test_logical_destinations(ldr, dfr, destination, accepted):
    board = Board()
    board[LDR], board[DFR] = ldr << 24, dfr << 28
    assert board.send(0x40, destination=destination, logical=1) is accepted


def test_physical_destinations():
    board = Board()
    board[ID] = 5 << 24
    assert [board.send(0x40, destination=to) for to in (0, 5, 0xFF)] == [False, True, True]


@pytest.mark.parametrize(("icr", "arrives"), [(0x40044, True), (0x80044, True), (0xC0044, False), (0x00044, True)])
def test_ipi_shorthands_on_one_processor(icr, arrives):
    board = Board()
    board[ICR_LOW] = icr
    assert board.intr.level is arrives
    assert not board[ICR_LOW] & 0x1000


@pytest.mark.parametrize(
    ("icr", "inits"),
    [
        pytest.param(0x0004500, 1, id="to itself"),
        pytest.param(0x0000500, 1, id="edge-triggered, whatever the level"),
        pytest.param(0x0008500, 0, id="the end of a level"),
        pytest.param(0x0088500, 0, id="the end of a level, to all"),
        pytest.param(0x00C4500, 0, id="to all others"),
    ],
)
def test_init_is_for_who_is_meant_and_has_no_end(icr, inits):
    board = Board()
    board[ICR_LOW] = icr
    assert board.inits == inits


def test_init_resets_all_but_the_id_and_the_pins():
    board = Board()
    board[ID], board[LDR], board[LVT_TIMER], board[INITIAL] = 5 << 24, 7 << 24, 0xEC, 1000
    board.lapic.lint1.set(True)
    board.send(0x41, destination=5)
    assert board.send(0, destination=5, mode=DeliveryMode.INIT)
    assert [board[register] for register in (ID, LDR, SVR, LVT_TIMER, INITIAL)] == [5 << 24, 0, 0xFF, 1 << 16, 0]
    assert not board.intr.level
    assert board.scheduler.next_due() is None
    assert board.lapic.save().lint == [False, True]


def test_start_up_has_its_page_and_changes_nothing_here():
    board = Board()
    before = board.lapic.save()
    assert board.send(0x99, mode=DeliveryMode.START_UP)
    assert board.started_at == [0x99]
    assert board.lapic.save() == before


def test_smi_is_taken_and_changes_nothing():
    board = Board()
    before = board.lapic.save()
    assert board.send(0, mode=DeliveryMode.SMI)
    assert board.lapic.save() == before


def test_nmi_to_self():
    board = Board()
    board[ICR_LOW] = 0x80400
    assert board.nmi.rises() == 1


def test_illegal_vectors_are_errors_that_interrupt_and_show_after_a_write_to_esr():
    board = Board()
    board[LVT_ERROR] = 0xFE
    board[ICR_LOW] = 0x40005
    board.send(0x0F)
    assert board[ESR] == 0
    board[ESR] = 0
    assert board[ESR] == 0x60
    assert board.lapic.acknowledge() == 0xFE
    board[ESR] = 0
    assert board[ESR] == 0


def test_error_entry_with_an_illegal_vector_does_not_run_in_circles():
    board = Board()
    board[LVT_ERROR] = 0x01
    board[ICR_LOW] = 0x40005
    board[ESR] = 0
    assert board[ESR] == 0x60


def test_software_disable_masks_the_lvt_and_refuses_messages_but_keeps_what_is_pending():
    board = Board()
    board[LVT_TIMER] = 0xEC
    board[INITIAL] = 1000
    board.send(0x41)
    board[SVR] = 0xFF
    assert board[LVT_TIMER] == 0x100EC
    board[LVT_TIMER] = 0xEC
    assert board[LVT_TIMER] == 0x100EC
    assert board.scheduler.next_due() is None
    assert not board.send(0x42)
    assert board.lapic.acknowledge() == 0x41


def test_turned_off_in_the_base_msr_the_pins_are_intr_and_nmi():
    board = Board()
    board.send(0x41)
    assert board.lapic.set_base(0xFEE0_0100)
    assert not board.intr.level
    board.lapic.lint0.set(True)
    assert board.lapic.acknowledge() == 0x38
    board.lapic.lint1.set(True)
    assert board.nmi.rises() == 1
    assert board.lapic.set_base(0xFEE0_0900)
    assert board[SVR] == 0xFF


def test_partial_and_misaligned_accesses():
    board = Board()
    board[TPR] = 0x30
    board.lapic.write(TPR, 1, 0x70, 0)
    board.lapic.write(TPR + 4, 4, 0x70, 0)
    assert board[TPR] == 0x30
    assert board.lapic.read(VERSION + 2, 1, 0) == 5
    assert board.lapic.read(VERSION + 4, 4, 0) == 0


def test_reserved_register_reads_0_and_is_an_error():
    board = Board()
    assert board[0x3F0] == 0
    board[ESR] = 0
    assert board[ESR] == 0x80


@given(
    st.integers(0, 40),
    st.sampled_from([0, 3, 11]),
    st.booleans(),
    st.lists(st.integers(0, 300), min_size=1, max_size=6),
)
def test_advancing_in_any_steps_leaves_the_same_count(initial, configuration, periodic, steps):
    stepped, lazy = LapicTimer(TimerMemory()), LapicTimer(TimerMemory())
    for timer in (stepped, lazy):
        timer.set_divide_configuration(configuration, 0, periodic=periodic)
        timer.start(initial, 0)
    now = 0
    for step in steps:
        now += step
        stepped.advance(now, periodic=periodic)
    assert stepped.current_count(now, periodic=periodic) == lazy.current_count(now, periodic=periodic)
    lazy.advance(now, periodic=periodic)
    assert stepped.expiry() == lazy.expiry()


@pytest.mark.parametrize("damage", [{"irr": [0] * 7}, {"lvt": [0] * 9}, {"lint": []}])
def test_a_state_with_too_many_or_too_few_registers_is_refused(damage):
    board = Board()
    with pytest.raises(ValueError, match=r"."):
        board.lapic.restore(dataclasses.replace(board.lapic.save(), **damage))


def test_a_message_signalled_interrupt_is_a_store_to_the_local_apics():
    assert signalled_message(0xFEE0_1000, 0x41) == InterruptMessage(1, False, DeliveryMode.FIXED, 0x41, False)
    logical = signalled_message(0xFEE0_300C, 0xC131)
    assert logical == InterruptMessage(3, True, DeliveryMode.LOWEST_PRIORITY, 0x31, True)
    assert signalled_message(0xFEE0_0000, 0x8031) is None, "the end of a level"
    assert signalled_message(0xFEF0_0000, 0x31) is None
    assert signalled_message(0x1_FEE0_0000, 0x31) is None
