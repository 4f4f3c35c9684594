from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.scheduler import Scheduler
from devices.serial import uart_registers as reg
from devices.serial.uart import CHARACTER_TIMEOUT, FIFO_SIZE, Uart16550A
from tests.devices.conformance import RecordingLine

ENABLE_8_BYTES = reg.FCR_ENABLE | 2 << 6


@dataclass
class Wire:
    sent: list[tuple[int, int]] = field(default_factory=list)

    def transmit(self, data: int, now: int) -> None:
        self.sent.append((data, now))


class Bench:
    """A UART on a bench, with the accesses that a driver makes."""

    def __init__(self, *, gated: bool = True) -> None:
        self.irq = RecordingLine()
        self.wire = Wire()
        self.scheduler = Scheduler()
        self.now = 1000
        self.uart = Uart16550A("com1", self.irq, self.scheduler.timer("com1"), self.wire, gated=gated)

    def inb(self, offset: int) -> int:
        return self.uart.read(offset, 1, self.now)

    def outb(self, offset: int, value: int) -> None:
        self.uart.write(offset, 1, value, self.now)

    def receive(self, data: bytes) -> None:
        for byte in data:
            self.uart.receive(byte, self.now)

    def run_to(self, now: int) -> None:
        while (event := self.scheduler.pop_due(now)) is not None:
            self.uart.on_event(event.name, event.due)
        self.now = now


@pytest.fixture
def bench() -> Bench:
    """8N1 at 115200 baud, OUT2 set."""
    made = Bench()
    made.outb(reg.LCR, reg.LCR_DLAB | 3)
    made.outb(0, 1)
    made.outb(1, 0)
    made.outb(reg.LCR, 3)
    made.outb(reg.MCR, reg.MCR_OUT2)
    return made


def test_transmits_at_once_and_is_always_empty(bench: Bench) -> None:
    for byte in b"hello":
        bench.outb(reg.RBR_THR, byte)
        assert bench.inb(reg.LSR) == reg.LSR_THRE | reg.LSR_TEMT
    assert bytes(data for data, _ in bench.wire.sent) == b"hello"
    assert {now for _, now in bench.wire.sent} == {1000}


def test_word_length_cuts_what_is_sent_and_received(bench: Bench) -> None:
    bench.outb(reg.LCR, 2)
    bench.outb(reg.RBR_THR, 0xC1)
    bench.receive(b"\xc2")
    assert bench.wire.sent == [(0x41, 1000)]
    assert bench.inb(reg.RBR_THR) == 0x42


def test_dlab_shows_the_divisor_latch(bench: Bench) -> None:
    bench.outb(reg.LCR, reg.LCR_DLAB | 3)
    bench.outb(0, 0x34)
    bench.outb(1, 0x12)
    assert (bench.inb(0), bench.inb(1)) == (0x34, 0x12)
    bench.outb(reg.LCR, 3)
    assert bench.wire.sent == []
    assert bench.inb(reg.IER) == 0
    assert ("line", "24 baud 8N1, divisor 4660") in bench.uart.describe(0)


def test_character_time_follows_baud_rate_and_frame(bench: Bench) -> None:
    assert bench.uart.character_time == 10 * 1_000_000_000 // 115200
    bench.outb(reg.LCR, reg.LCR_STOP_BITS)
    assert bench.uart.character_time == 15 * 1_000_000_000 // (2 * 115200)  # 5 data bits, 1.5 stop bits


def test_scratch_register_keeps_a_byte_and_ier_its_low_nibble(bench: Bench) -> None:
    bench.outb(reg.SCR, 0xA5)
    bench.outb(reg.IER, 0xFF)
    assert (bench.inb(reg.SCR), bench.inb(reg.IER)) == (0xA5, 0x0F)


def test_linux_identifies_a_16550a(bench: Bench) -> None:
    """The steps of the 8250 driver's autoconfig: IER, loopback, FIFOs, no second FIFO size, no EFR."""
    bench.outb(reg.IER, 0)
    assert bench.inb(reg.IER) & 0x0F == 0
    bench.outb(reg.MCR, reg.MCR_LOOP | reg.MCR_OUT2 | reg.MCR_RTS)
    assert bench.inb(reg.MSR) & 0xF0 == 0x90
    bench.outb(reg.MCR, 0)
    bench.outb(reg.IIR_FCR, reg.FCR_ENABLE)
    assert bench.inb(reg.IIR_FCR) >> 6 == 3
    bench.outb(reg.IIR_FCR, reg.FCR_ENABLE | 0x20)
    assert bench.inb(reg.IIR_FCR) & 0x20 == 0
    bench.outb(reg.LCR, reg.LCR_DLAB)
    assert bench.inb(reg.IIR_FCR) != 0


def test_linux_does_not_see_the_thre_bug(bench: Bench) -> None:
    for _ in range(2):
        bench.outb(reg.IER, reg.IER_ETBEI)
        assert bench.inb(reg.IIR_FCR) & 0x0F == reg.IIR_THR_EMPTY
        bench.outb(reg.IER, 0)
    assert bench.inb(reg.IIR_FCR) & 0x0F == reg.IIR_NONE


def test_reading_iir_clears_the_thre_interrupt(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ETBEI)
    assert bench.irq.level
    assert bench.inb(reg.IIR_FCR) == reg.IIR_THR_EMPTY
    assert not bench.irq.level
    assert bench.inb(reg.IIR_FCR) == reg.IIR_NONE


def test_writing_thr_lowers_the_line_and_raises_it_for_the_next_character(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ETBEI)
    bench.irq.history.clear()
    bench.outb(reg.RBR_THR, 0x55)
    assert bench.irq.history == [False, True]


def test_reading_iir_keeps_thre_pending_while_a_higher_interrupt_is_shown(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ETBEI | reg.IER_ERBFI)
    bench.receive(b"x")
    assert bench.inb(reg.IIR_FCR) == reg.IIR_DATA_AVAILABLE
    assert bench.inb(reg.RBR_THR) == ord("x")
    assert bench.inb(reg.IIR_FCR) == reg.IIR_THR_EMPTY


def test_interrupts_are_shown_by_priority(bench: Bench) -> None:
    bench.outb(reg.IIR_FCR, reg.FCR_ENABLE)
    bench.outb(reg.IER, 0x0F)
    bench.uart.set_modem_inputs(0)
    bench.uart.receive(0x41, bench.now, errors=reg.LSR_PE)
    shown = []
    for clear in (reg.LSR, reg.RBR_THR, reg.IIR_FCR, reg.MSR):
        shown.append(bench.inb(reg.IIR_FCR) & 0x0F)
        bench.inb(clear)
    assert shown == [reg.IIR_LINE_STATUS, reg.IIR_DATA_AVAILABLE, reg.IIR_THR_EMPTY, reg.IIR_MODEM_STATUS]
    assert bench.inb(reg.IIR_FCR) & 0x0F == reg.IIR_NONE
    assert not bench.irq.level


@pytest.mark.parametrize(("bits", "level"), [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_data_available_interrupt_comes_at_the_trigger_level(bench: Bench, bits: int, level: int) -> None:
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.IIR_FCR, reg.FCR_ENABLE | bits << 6)
    bench.receive(bytes(level - 1))
    assert not bench.irq.level
    bench.receive(b"!")
    assert bench.irq.level
    assert bench.inb(reg.IIR_FCR) == reg.IIR_FIFOS_ENABLED | reg.IIR_DATA_AVAILABLE
    bench.inb(reg.RBR_THR)
    assert not bench.irq.level


def test_character_timeout_comes_four_characters_after_the_last(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.IIR_FCR, ENABLE_8_BYTES)
    bench.receive(b"ab")
    due = bench.now + 4 * bench.uart.character_time
    bench.run_to(due - 1)
    assert not bench.irq.level
    bench.run_to(due)
    assert bench.irq.level
    assert bench.inb(reg.IIR_FCR) & 0x0F == reg.IIR_CHARACTER_TIMEOUT
    assert bench.inb(reg.RBR_THR) == ord("a")
    assert not bench.irq.level
    bench.run_to(due + 4 * bench.uart.character_time)
    assert bench.inb(reg.IIR_FCR) & 0x0F == reg.IIR_CHARACTER_TIMEOUT


def test_no_timeout_is_left_pending_when_the_fifo_is_empty(bench: Bench) -> None:
    bench.outb(reg.IIR_FCR, ENABLE_8_BYTES)
    bench.receive(b"a")
    assert [event.name for event in bench.scheduler.events()] == [CHARACTER_TIMEOUT]
    bench.inb(reg.RBR_THR)
    assert bench.scheduler.events() == []


def test_fifo_holds_sixteen_and_an_overrun_keeps_them(bench: Bench) -> None:
    bench.outb(reg.IIR_FCR, ENABLE_8_BYTES)
    bench.receive(bytes(range(FIFO_SIZE)))
    assert not bench.uart.can_receive()
    bench.receive(b"\xff")
    assert bench.inb(reg.LSR) & reg.LSR_OE
    assert not bench.inb(reg.LSR) & reg.LSR_OE
    assert [bench.inb(reg.RBR_THR) for _ in range(FIFO_SIZE)] == list(range(FIFO_SIZE))
    assert not bench.inb(reg.LSR) & reg.LSR_DR


def test_without_fifos_an_overrun_replaces_the_character(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ELSI)
    bench.receive(b"a")
    assert not bench.uart.can_receive()
    bench.receive(b"b")
    assert bench.inb(reg.IIR_FCR) == reg.IIR_LINE_STATUS
    assert bench.inb(reg.LSR) & reg.LSR_OE
    assert bench.inb(reg.RBR_THR) == ord("b")
    assert bench.uart.can_receive()


@pytest.mark.parametrize("fcr", [reg.FCR_ENABLE | reg.FCR_RCVR_RESET, 0])
def test_receiver_reset_and_leaving_fifo_mode_empty_the_fifo(bench: Bench, fcr: int) -> None:
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.IIR_FCR, reg.FCR_ENABLE)
    bench.receive(b"abc")
    bench.outb(reg.IIR_FCR, fcr)
    assert not bench.inb(reg.LSR) & reg.LSR_DR
    assert not bench.irq.level
    assert bench.scheduler.events() == []


def test_fcr_bits_are_ignored_without_the_enable_bit(bench: Bench) -> None:
    bench.outb(reg.IIR_FCR, 0xC0)
    assert ("FIFOs", "disabled") in bench.uart.describe(0)
    assert bench.inb(reg.IIR_FCR) == reg.IIR_NONE


def test_errors_show_when_their_character_is_at_the_top(bench: Bench) -> None:
    bench.outb(reg.IIR_FCR, ENABLE_8_BYTES)
    bench.receive(b"a")
    bench.uart.receive(ord("b"), bench.now, errors=reg.LSR_FE)
    assert bench.inb(reg.LSR) & (reg.LSR_FE | reg.LSR_FIFO_ERROR) == reg.LSR_FIFO_ERROR
    bench.inb(reg.RBR_THR)
    assert bench.inb(reg.LSR) & (reg.LSR_FE | reg.LSR_FIFO_ERROR) == reg.LSR_FE | reg.LSR_FIFO_ERROR
    assert bench.inb(reg.LSR) & (reg.LSR_FE | reg.LSR_FIFO_ERROR) == 0


def test_break_is_a_zero_with_bi_and_fe(bench: Bench) -> None:
    bench.uart.receive_break(bench.now)
    assert bench.inb(reg.LSR) & (reg.LSR_BI | reg.LSR_FE | reg.LSR_DR) == reg.LSR_BI | reg.LSR_FE | reg.LSR_DR
    assert bench.inb(reg.RBR_THR) == 0


def test_loopback_returns_what_is_sent_and_keeps_the_line_quiet(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.MCR, reg.MCR_LOOP | reg.MCR_OUT2)
    bench.receive(b"z")
    assert not bench.uart.can_receive()
    bench.outb(reg.RBR_THR, 0x5A)
    assert bench.wire.sent == []
    assert bench.inb(reg.IIR_FCR) == reg.IIR_DATA_AVAILABLE
    assert not bench.irq.level  # the OUT2 pin is off in loopback mode
    assert bench.inb(reg.RBR_THR) == 0x5A


def test_loopback_of_a_break(bench: Bench) -> None:
    bench.outb(reg.MCR, reg.MCR_LOOP)
    bench.outb(reg.LCR, 3 | reg.LCR_SET_BREAK)
    assert bench.inb(reg.LSR) & reg.LSR_BI


@pytest.mark.parametrize(
    ("mcr", "msr"),
    [
        (reg.MCR_DTR, reg.MSR_DSR),
        (reg.MCR_RTS, reg.MSR_CTS),
        (reg.MCR_OUT1, reg.MSR_RI),
        (reg.MCR_OUT2, reg.MSR_DCD),
    ],
)
def test_loopback_connects_the_modem_outputs_to_the_inputs(bench: Bench, mcr: int, msr: int) -> None:
    bench.outb(reg.MCR, reg.MCR_LOOP | mcr)
    assert bench.inb(reg.MSR) & 0xF0 == msr


def test_modem_deltas_are_set_on_changes_and_cleared_by_reading(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_EDSSI)
    bench.uart.set_modem_inputs(reg.MSR_DSR | reg.MSR_DCD | reg.MSR_RI)
    assert bench.irq.level
    assert bench.inb(reg.MSR) == reg.MSR_DSR | reg.MSR_DCD | reg.MSR_RI | 0x01
    assert not bench.irq.level
    bench.uart.set_modem_inputs(reg.MSR_DSR | reg.MSR_DCD)
    assert bench.inb(reg.MSR) & 0x0F == reg.MSR_TERI


def test_out2_gates_the_interrupt_line(bench: Bench) -> None:
    bench.outb(reg.MCR, 0)
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.receive(b"x")
    assert not bench.irq.level
    assert bench.inb(reg.IIR_FCR) == reg.IIR_DATA_AVAILABLE
    bench.outb(reg.MCR, reg.MCR_OUT2)
    assert bench.irq.level


def test_describe_speaks_the_data_sheets_words(bench: Bench) -> None:
    bench.outb(reg.IER, reg.IER_ERBFI | reg.IER_ETBEI)
    rows = dict(bench.uart.describe(0))
    assert rows["line"] == "115200 baud 8N1, divisor 1"
    assert rows["IER"] == "ETBEI ERBFI"
    assert rows["IIR"] == "THR empty"
    assert rows["LSR"] == "TEMT THRE"


@given(
    data=st.binary(max_size=60),
    fcr=st.sampled_from([0, reg.FCR_ENABLE, 0x41, 0x81, 0xC1]),
    pauses=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_a_paced_sender_loses_nothing_to_an_interrupt_driven_reader(data: bytes, fcr: int, pauses: list[bool]) -> None:
    bench = Bench()
    bench.outb(reg.MCR, reg.MCR_OUT2)
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.IIR_FCR, fcr)
    got = bytearray()

    def service() -> None:
        while bench.irq.level:
            got.append(bench.inb(reg.RBR_THR))

    for byte, pause in zip(data, pauses, strict=False):
        if not bench.uart.can_receive():
            service()
        bench.receive(bytes([byte]))
        bench.run_to(bench.now + bench.uart.character_time)
        if pause:
            service()
    for _ in range(FIFO_SIZE + 1):
        bench.run_to(bench.now + 5 * bench.uart.character_time)
        service()
    assert bytes(got) == data


def test_without_the_gate_the_line_follows_the_chip_alone() -> None:
    """As QEMU has it, and xv6 needs it."""
    bench = Bench(gated=False)
    bench.outb(reg.IER, reg.IER_ERBFI)
    bench.outb(reg.MCR, 0)
    bench.receive(b"x")
    assert bench.irq.level
    assert bench.inb(0) == ord("x")
    assert not bench.irq.level
