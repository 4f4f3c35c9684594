"""The local APIC of a processor, in xAPIC mode: a window of 4 KiB of memory.

Source: Intel SDM 3A, chapter 11 (chapter 10 in older editions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from devices.interrupts import lapic_state
from devices.interrupts.apic_bus import (
    DeliveryMode,
    EndOfInterruptListener,
    InterprocessorBus,
    InterruptMessage,
    Shorthand,
)
from devices.interrupts.lapic_interrupts import LapicInterrupts
from devices.interrupts.lapic_memory import LapicMemory
from devices.interrupts.lapic_messages import LapicMessages, ProcessorPins
from devices.interrupts.lapic_registers import (
    DFR_RESERVED,
    ICR_WRITABLE,
    LVT_LEVEL,
    LVT_MASKED,
    LVT_PERIODIC,
    LVT_REMOTE_IRR,
    LVT_WRITABLE,
    SVR_ENABLED,
    SVR_WRITABLE,
    VERSION_VALUE,
    Error,
    Lvt,
    Register,
    highest,
)
from devices.interrupts.lapic_state import LapicState
from devices.interrupts.lapic_timer import LapicTimer
from devices.seam import Line, Rows, Timer
from devices.wiring.irq import Pin

TIMER_EVENT = "timer"
BASE_ENABLE = 1 << 11
BASE_RESERVED = 0x6FF
"""Of IA32_APIC_BASE, in its low 12 bits."""
EOI = int(Register.EOI)
INITIAL_COUNT, DIVIDE_CONFIGURATION = int(Register.INITIAL_COUNT), int(Register.DIVIDE_CONFIGURATION)
LVT_TIMER = int(Lvt.TIMER)
STORED: dict[int, Callable[[LapicMemory], int]] = {
    Register.ID: lambda state: state.apic_id << 24,
    Register.VERSION: lambda _: VERSION_VALUE,
    Register.TPR: lambda state: state.tpr,
    Register.EOI: lambda _: 0,
    Register.RRD: lambda _: 0,
    Register.LDR: lambda state: state.ldr,
    Register.DFR: lambda state: state.dfr,
    Register.SVR: lambda state: state.svr,
    Register.ESR: lambda state: state.esr,
    Register.ICR_LOW: lambda state: state.icr_low,
    Register.ICR_HIGH: lambda state: state.icr_high,
    Register.INITIAL_COUNT: lambda state: state.timer.initial_count,
    Register.DIVIDE_CONFIGURATION: lambda state: state.timer.divide_configuration,
}
"""The registers that read as they are stored."""
READ_ONLY = (Register.VERSION, Register.APR, Register.PPR, Register.RRD, Register.CURRENT_COUNT)


class Lapic:
    """Drives `pins` of its processor. `acknowledge_pic` is the INTA cycle of the 8259A pair behind ExtINT."""

    name = "lapic"
    title = "local APIC"
    State: ClassVar[type[LapicState]] = LapicState

    def __init__(
        self, timer: Timer, pins: ProcessorPins, acknowledge_pic: Callable[[], int], apic_id: int = 0, name: str = name
    ) -> None:
        self.name = name
        self._scheduler = timer
        self._initial_id = apic_id
        self._state = LapicMemory()
        self._state.load(self.State(apic_id=apic_id))
        self._timer = LapicTimer(self._state.timer)
        self._interrupts = LapicInterrupts(self._state, pins.intr, pins.nmi, acknowledge_pic)
        self._messages = LapicMessages(self._state, self._interrupts, pins, self._reset)
        self.bus: InterprocessorBus | None = None
        """Where it sends to; alone on its own, nowhere."""
        self.lint0: Line = Pin(self._interrupts.set_lint, 0)
        self.lint1: Line = Pin(self._interrupts.set_lint, 1)

    def on_end_of_interrupt(self, listener: EndOfInterruptListener) -> None:
        """Connect the I/O APIC, which hears of the end of level-triggered interrupts."""
        self._interrupts.end_of_interrupt_listener = listener

    def acknowledge(self) -> int:
        """The processor takes the interrupt: its vector, from the 8259A pair for ExtINT."""
        return self._interrupts.acknowledge()

    def pending(self) -> int | None:
        """The vector of the APIC's own that INTR stands for, None without one or with ExtINT only."""
        return self._interrupts.pending()

    @property
    def apic_id(self) -> int:
        return self._state.apic_id

    @property
    def takes_fixed(self) -> bool:
        """apic_bus.Receiver, as the next three."""
        return self._messages.takes_fixed

    @property
    def arbitration_priority(self) -> int:
        state = self._state
        requested, in_service = highest(state.irr) or 0, highest(state.isr) or 0
        if state.tpr >> 4 >= requested >> 4 and state.tpr >> 4 > in_service >> 4:
            return state.tpr
        return max(state.tpr & 0xF0, requested & 0xF0, in_service & 0xF0)

    def is_destination(self, message: InterruptMessage) -> bool:
        return self._messages.is_destination(message)

    def accept(self, message: InterruptMessage) -> bool:
        return self._messages.accept(message)

    @property
    def memory(self) -> LapicMemory:
        """The registers, at one place for as long as the chip is."""
        return self._state

    @property
    def intr(self) -> bool:
        """The level of the INTR output."""
        return self._state.intr

    @property
    def tpr(self) -> int:
        """The task priority register; CR8 is its bits 7 to 4."""
        return self._state.tpr

    def set_tpr(self, value: int) -> None:
        self._state.tpr = value & 0xFF
        self._interrupts.update()

    def set_base(self, value: int) -> bool:
        """A write to IA32_APIC_BASE; False raises #GP(0), as the high bits that are reserved do before this.

        Turned off, LINT0 and LINT1 are INTR and NMI and the registers are reset. The page stays where it is.
        """
        if value & BASE_RESERVED:
            return False
        enabled = bool(value & BASE_ENABLE)
        if enabled != self._state.enabled:
            self._reset(enabled=enabled)
            self._interrupts.update()
        return True

    def _reset(self, *, enabled: bool = True) -> None:
        """As an INIT leaves it (SDM 11.4.7.3): the APIC ID stays, and so do the levels at its pins."""
        old = self._state
        old.load(LapicState(enabled=enabled, apic_id=old.apic_id, lint=list(old.lint), intr=old.intr))
        self._scheduler.cancel(TIMER_EVENT)

    def set_virtual_wire_mode(self) -> None:
        """Leave the APIC as firmware does: on, the 8259A pair at LINT0, NMI at LINT1 (MP spec. 3.6.2.2)."""
        state = self._state
        state.svr = SVR_ENABLED | 0x0F
        state.lvt[Lvt.LINT0] = DeliveryMode.EXTINT << 8
        state.lvt[Lvt.LINT1] = DeliveryMode.NMI << 8
        self._interrupts.update()

    def on_event(self, name: str, now: int) -> None:
        self._advance_timer(now)
        self._schedule()
        self._interrupts.update()

    def read(self, offset: int, size: int, now: int) -> int:
        """Registers are 32 bits at multiples of 16; the bytes between them read as 0, as reserved ones do.

        Turned off, or reached by MSRs instead, it is not there.
        """
        if not self._answers:
            return (1 << 8 * size) - 1
        lane = offset & 0xF
        value = self._read_register(offset & ~0xF, now) >> 8 * lane if lane < 4 else 0
        return value & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Only whole registers can be written (SDM 11.4.1); anything else is ignored."""
        if size < 4 or offset & 0xF or not self._answers:
            return
        self._write(offset, value & 0xFFFF_FFFF, now)

    @property
    def _answers(self) -> bool:
        return self._state.enabled and not self._state.x2apic

    def _write(self, offset: int, value: int, now: int) -> None:
        """A whole register."""
        if offset == EOI:
            self._interrupts.end_of_interrupt()
        elif offset in (INITIAL_COUNT, DIVIDE_CONFIGURATION):
            self._write_timer(offset, value, now)
        elif offset == Register.SVR:
            self._write_svr(value, now)
        elif Register.LVT <= offset < Register.INITIAL_COUNT:
            self._write_lvt(Lvt((offset - Register.LVT) >> 4), value, now)
        else:
            self._write_register(offset, value)
        self._interrupts.update()

    def save(self) -> LapicState:
        return self._state.saved()

    def restore(self, state: LapicState) -> None:
        """Raises ValueError if `state` has the wrong number of registers."""
        self._state.load(state)

    def describe(self, now: int) -> Rows:
        """The registers, and the timer's current count at `now`."""
        return [
            *lapic_state.describe(self.save()),
            ("PPR", f"{self._interrupts.ppr:#04x}"),
            ("ExtINT", "pending" if self._interrupts.has_extint() else "none"),
            ("timer initial count", f"{self._state.timer.initial_count} of {self._timer.divisor} ns"),
            ("timer current count", str(self._current_count(now))),
        ]

    def _read_register(self, register: int, now: int) -> int:
        stored = STORED.get(register)
        if stored is not None:
            return stored(self._state)
        match register:
            case Register.CURRENT_COUNT:
                return self._current_count(now)
            case Register.PPR:
                return self._interrupts.ppr
            case Register.APR:
                return self.arbitration_priority
        return self._read_indexed(register)

    def _read_indexed(self, register: int) -> int:
        """ISR, TMR, IRR and the LVT; anything else is an illegal register."""
        state = self._state
        index = register >> 4 & 7
        match register & ~0x7F:
            case Register.ISR:
                return state.isr[index]
            case Register.TMR:
                return state.tmr[index]
            case Register.IRR:
                return state.irr[index]
        if Register.LVT <= register < Register.INITIAL_COUNT:
            return state.lvt[(register - Register.LVT) >> 4]
        self._interrupts.raise_error(Error.ILLEGAL_REGISTER)
        self._interrupts.update()
        return 0

    def _write_register(self, register: int, value: int) -> None:
        """The registers without a timer in them. ESR shows the errors up to the last write to it."""
        state = self._state
        match register:
            case Register.ID:
                state.apic_id = value >> 24
            case Register.TPR:
                state.tpr = value & 0xFF
            case Register.LDR:
                state.ldr = value & 0xFF00_0000
            case Register.DFR:
                state.dfr = value | DFR_RESERVED
            case Register.ESR:
                state.esr, state.errors = state.errors, 0
            case Register.ICR_LOW:
                state.icr_low = value & ICR_WRITABLE
                self._send(value)
            case Register.ICR_HIGH:
                state.icr_high = value & 0xFF00_0000
            case _ if register not in READ_ONLY and not Register.ISR <= register < Register.ESR:
                self._interrupts.raise_error(Error.ILLEGAL_REGISTER)

    def _send(self, icr_low: int) -> None:
        message = self._messages.command(icr_low)
        if message is not None and self.bus is not None:
            self.bus.send(self, Shorthand(icr_low >> 18 & 3), message)

    def _write_svr(self, value: int, now: int) -> None:
        """Software disable sets every LVT mask (SDM 11.4.7.2)."""
        state = self._state
        self._advance_timer(now)
        state.svr = value & SVR_WRITABLE
        if not value & SVR_ENABLED:
            state.lvt[:] = [entry | LVT_MASKED for entry in state.lvt]
        self._schedule()

    def _write_lvt(self, entry: Lvt, value: int, now: int) -> None:
        state = self._state
        self._advance_timer(now)
        value &= LVT_WRITABLE[entry]
        if not state.svr & SVR_ENABLED:
            value |= LVT_MASKED
        if value & LVT_LEVEL:
            value |= state.lvt[entry] & LVT_REMOTE_IRR
        state.lvt[entry] = value
        if entry in (Lvt.LINT0, Lvt.LINT1):
            self._interrupts.service_level_lint(entry)
        self._schedule()

    def _write_timer(self, register: int, value: int, now: int) -> None:
        self._advance_timer(now)
        if register == INITIAL_COUNT:
            self._timer.start(value, now)
        else:
            self._timer.set_divide_configuration(value, now, periodic=self._periodic)
        self._schedule()

    @property
    def _periodic(self) -> bool:
        return bool(self._state.lvt[LVT_TIMER] & LVT_PERIODIC)

    def _current_count(self, now: int) -> int:
        return self._timer.current_count(now, periodic=self._periodic)

    def _advance_timer(self, now: int) -> None:
        if self._timer.advance(now, periodic=self._periodic):
            self._interrupts.local_interrupt(Lvt.TIMER)

    def _schedule(self) -> None:
        """A deadline only if it leads to an interrupt; a masked timer is computed when someone looks."""
        expiry = self._timer.expiry()
        if expiry is None or self._state.lvt[LVT_TIMER] & LVT_MASKED:
            self._scheduler.cancel(TIMER_EVENT)
        else:
            self._scheduler.schedule(TIMER_EVENT, expiry)
