"""The 8254, the 8259A pair and both APICs wired as on a PC board, driven as Linux's drivers drive them."""

from devices.board.port61 import Port61
from devices.interrupts.ioapic import IoApic
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_messages import ProcessorPins
from devices.interrupts.local_apics import LocalApics
from devices.interrupts.pic import Pic
from devices.scheduler import Scheduler
from devices.timers.pit import Pit, time_of
from devices.timers.rtc import Rtc
from devices.wiring.bus import PortBus
from devices.wiring.irq import FanOut, Pin, isa_line
from tests.devices.conformance import RecordingLine

EOI, SVR, LVT_TIMER, LINT0, INITIAL, CURRENT, DIVIDE = 0xB0, 0xF0, 0x320, 0x350, 0x380, 0x390, 0x3E0
LATCH = 4772
"""CLK pulses in a jiffy at 250 Hz, as Linux rounds them (PIT_LATCH)."""


class Board:
    def __init__(self) -> None:
        self.now = 0
        self.scheduler = Scheduler()
        self.intr, self.nmi = RecordingLine(), RecordingLine()
        pins = ProcessorPins(self.intr, self.nmi, self._no_ipi, self._no_ipi)
        self.lapic = Lapic(self.scheduler.timer("lapic"), pins, self._inta)
        self.ioapic = IoApic(LocalApics([self.lapic]))
        self.lapic.on_end_of_interrupt(self.ioapic)
        self.lapic.set_virtual_wire_mode()
        self.pic = Pic(FanOut(self.lapic.lint0, self.ioapic.input(0)))
        self.irq = {n: isa_line(n, self.pic.input, self.ioapic.input) for n in range(16) if n != 2}
        self.pit = Pit(self.scheduler.timer("pit"), self.irq[0])
        self.rtc = Rtc(self.scheduler.timer("rtc"), self.irq[8], 0)
        self.devices = {"lapic": self.lapic, "pit": self.pit, "rtc": self.rtc}
        self.ports = PortBus()
        for first, length, device in (
            (0x20, 2, self.pic.master),
            (0xA0, 2, self.pic.slave),
            (0x40, 4, self.pit),
            (0x61, 1, Port61(self.pit)),
            (0x70, 2, self.rtc),
        ):
            self.ports.claim(range(first, first + length), device, f"{first:x}")

    def _no_ipi(self, *_: int) -> None:
        raise AssertionError("nobody sends INIT or start-up here")

    def _inta(self) -> int:
        return self.pic.acknowledge()

    def outb(self, port: int, *values: int) -> None:
        for value in values:
            self.ports.write(port, 1, value, self.now)

    def inb(self, port: int) -> int:
        return self.ports.read(port, 1, self.now)

    def apic(self, register: int, value: int) -> None:
        self.lapic.write(register, 4, value, self.now)

    def redirect(self, pin: int, low: int) -> None:
        for register, value in ((0x11 + 2 * pin, 0), (0x10 + 2 * pin, low)):
            self.ioapic.write(0, 4, register, self.now)
            self.ioapic.write(0x10, 4, value, self.now)

    def init_8259a(self) -> None:
        """Linux's init_8259A: vectors 30h and 38h, then everything masked but the cascade."""
        self.outb(0x21, 0xFF)
        self.outb(0xA1, 0xFF)
        for base, words in ((0x20, (0x30, 0x04, 0x01)), (0xA0, (0x38, 0x02, 0x01))):
            self.outb(base, 0x11)
            self.outb(base + 1, *words)
        self.outb(0x21, 0xFB)

    def run(self, end: int, handler: dict[int, int]) -> list[int]:
        """The vectors delivered up to `end`; `handler` says which port gets the EOI, 0 for the APIC."""
        vectors = []
        while True:
            while self.intr.level:
                vector = self.lapic.acknowledge()
                vectors.append(vector)
                if handler[vector]:
                    self.outb(handler[vector], 0x20)
                else:
                    self.apic(EOI, 0)
            due = self.scheduler.next_due()
            if due is None or due > end:
                self.now = end
                return vectors
            self.now = due
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.devices[event.owner].on_event(event.name, due)


def test_noapic_timer_ticks_reach_the_processor_through_pic_and_virtual_wire():
    board = Board()
    board.init_8259a()
    board.outb(0x43, 0x34)
    board.outb(0x40, LATCH & 0xFF, LATCH >> 8)
    board.outb(0x21, 0xFA)
    vectors = board.run(time_of(LATCH * 250), {0x30: 0x20})
    assert vectors == [0x30] * 250


def test_io_apic_timer_check_passes_through_pin_2():
    """check_timer: PIC masked, ExtINT masked, IRQ 0 edge-triggered at pin 2."""
    board = Board()
    board.init_8259a()
    board.outb(0x21, 0xFF)
    board.apic(LINT0, 0x10700)
    board.outb(0x43, 0x34)
    board.outb(0x40, LATCH & 0xFF, LATCH >> 8)
    board.redirect(2, 0x30)
    assert board.run(time_of(LATCH * 10 + 1), {0x30: 0}) == [0x30] * 10


def test_io_apic_timer_check_passes_with_one_shot_ticks():
    board = Board()
    board.apic(LINT0, 0x10700)
    board.redirect(2, 0x30)
    board.outb(0x43, 0x38)
    for tick in range(1, 4):
        board.outb(0x40, LATCH & 0xFF, LATCH >> 8)
        assert board.run(board.now + 5_000_000, {0x30: 0})[-1:] == [0x30], tick


def test_virtual_wire_irq_fallback_of_check_timer():
    """The 8259A as a plain wire to LINT0 in fixed mode, IRQ 0 in automatic EOI."""
    board = Board()
    for value in (0x11,):
        board.outb(0x20, value)
    board.outb(0x21, 0x30, 0x04, 0x03, 0xFE)
    board.apic(LINT0, 0x30)
    board.outb(0x43, 0x34)
    board.outb(0x40, LATCH & 0xFF, LATCH >> 8)
    assert board.run(time_of(LATCH) + 10, {0x30: 0}) == [0x30]


def test_apic_timer_calibrates_against_the_pit_to_one_tick_a_nanosecond():
    """calibrate_APIC_clock: jiffies from IRQ 0 while the masked APIC timer counts down by 16."""
    board = Board()
    board.init_8259a()
    board.apic(LINT0, 0x10700)
    board.redirect(2, 0x30)
    board.apic(LVT_TIMER, 0x100EC)
    board.apic(DIVIDE, 0x3)
    board.apic(INITIAL, 0xFFFF_FFFF)
    board.outb(0x43, 0x34)
    board.outb(0x40, LATCH & 0xFF, LATCH >> 8)
    counts = []
    while len(counts) < 26:
        due = board.scheduler.next_due()
        assert due is not None
        if board.run(due, {0x30: 0}):
            counts.append(board.lapic.read(CURRENT, 4, board.now))
    elapsed = (counts[1] - counts[25]) * 16
    assert abs(elapsed - time_of(24 * LATCH)) < 32


def test_pit_calibration_of_the_tsc_with_counter_2():
    """quick_pit_calibrate's set-up: gate on, speaker off, mode 0, FFFFh, then the MSB is watched."""
    board = Board()
    board.outb(0x61, board.inb(0x61) & ~0x02 | 0x01)
    board.outb(0x43, 0xB0)
    board.outb(0x42, 0xFF, 0xFF)
    board.now = time_of(0x300)
    board.inb(0x42)
    assert board.inb(0x42) == 0xFD
    board.now = time_of(0x10000)
    assert board.inb(0x61) & 0x20


def test_rtc_update_interrupt_through_the_slave_and_through_the_io_apic():
    for with_apic in (False, True):
        board = Board()
        board.init_8259a()
        if with_apic:
            board.apic(LINT0, 0x10700)
            board.redirect(8, 0x38)
        else:
            board.outb(0xA1, 0xFE)
        board.outb(0x70, 0x0B)
        board.outb(0x71, 0x12)
        assert board.run(1_000_000_000, {0x38: 0 if with_apic else 0xA0}) == [0x38]


def test_level_triggered_sci_repeats_until_its_source_is_quiet():
    board = Board()
    board.init_8259a()
    board.redirect(9, 0x39 | 1 << 15)
    board.irq[9].set(True)
    taken = []
    while board.intr.level and len(taken) < 3:
        taken.append(board.lapic.acknowledge())
        if len(taken) == 3:
            board.irq[9].set(False)
        board.apic(EOI, 0)
    assert taken == [0x39] * 3
    assert not board.intr.level


def test_apic_timer_one_shots_as_linux_programs_them():
    board = Board()
    board.apic(DIVIDE, 0xB)
    board.apic(LVT_TIMER, 0xEC)
    for tick in range(1, 5):
        board.apic(INITIAL, 4_000_000)
        assert board.run(tick * 4_000_000, {0xEC: 0}) == [0xEC]


def test_nmi_button_at_lint1():
    board = Board()
    button = Pin(lambda _, level: board.lapic.lint1.set(level), 0)
    button.set(True)
    assert board.nmi.rises() == 1
