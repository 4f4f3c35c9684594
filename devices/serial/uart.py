"""PC16550D universal asynchronous receiver/transmitter with FIFOs, as a PC's COM port.

Source: National Semiconductor PC16550D data sheet, Registers and FIFO Interrupt Mode Operation.

Transmission takes no guest time: a character leaves as THR is written, THRE and TEMT always read 1, and the
THRE interrupt comes back at once. So the transmitter FIFO is always empty, and output does not depend on the
baud rate. Reception is paced by whoever injects characters: ask `can_receive`, and leave `character_time`
between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import NANOSECONDS_PER_SECOND, Line, Rows, Timer
from devices.serial import uart_registers as reg
from devices.serial.backend import Backend
from devices.wiring.bits import bit_names
from devices.wiring.shared_ports import PlainPorts

FIFO_SIZE = 16
CRYSTAL_HZ = 1_843_200
BAUD_BASE = CRYSTAL_HZ // 16
CHARACTER_TIMEOUT = "character timeout"
TIMEOUT_CHARACTERS = 4


@dataclass(slots=True)
class UartState:
    ier: int = 0
    fcr: int = 0
    lcr: int = 3
    """As firmware leaves it, like the divisor: a guest that just writes to THR gets 9600 baud 8N1."""
    mcr: int = 0
    scr: int = 0
    divisor: int = 12
    """DLM and DLL."""
    rcvr_fifo: list[int] = field(default_factory=list)
    """Characters received, oldest first; bits 8-15 hold their PE, FE and BI as in LSR. Without FIFOs at most
    one.
    """
    line_errors: int = 0
    """OE, PE, FE and BI as LSR shows them until it is read."""
    modem_inputs: int = reg.MSR_CTS | reg.MSR_DSR | reg.MSR_DCD
    """What the pins say, as MSR bits 4-7: a terminal that is there and ready."""
    modem_deltas: int = 0
    thre_interrupt: bool = False
    timeout_interrupt: bool = False


class Uart16550A:
    """One port: eight byte-wide registers, an interrupt line gated by OUT2, and a deadline for the character
    timeout.

    `gated` as on a PC; without it the line follows INTR alone, as in QEMU and for the guests that were made there.
    """

    title = "16550A serial port"
    State: ClassVar[type[UartState]] = UartState

    def __init__(self, name: str, irq: Line, timer: Timer, backend: Backend, *, gated: bool = True) -> None:
        self.name = name
        self._gated = gated
        self._irq = irq
        self._timer = timer
        self._backend = backend
        self._state = UartState()
        self.plain = PlainPorts()
        """LSR and MSR while reading them changes nothing; _update() follows all that is in them."""
        self._show()

    def read(self, offset: int, size: int, now: int) -> int:
        del size
        s = self._state
        match offset:
            case reg.LSR:
                return self._read_lsr()
            case reg.RBR_THR:
                return s.divisor & 0xFF if s.lcr & reg.LCR_DLAB else self._read_rbr(now)
            case reg.IIR_FCR:
                return self._read_iir()
            case reg.IER:
                return s.divisor >> 8 if s.lcr & reg.LCR_DLAB else s.ier
            case reg.LCR:
                return s.lcr
            case reg.MCR:
                return s.mcr
            case reg.MSR:
                return self._read_msr()
            case _:
                return s.scr

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        del size
        value &= 0xFF
        s = self._state
        match offset:
            case reg.RBR_THR if s.lcr & reg.LCR_DLAB:
                s.divisor = s.divisor & 0xFF00 | value
            case reg.RBR_THR:
                self._write_thr(value, now)
            case reg.IER if s.lcr & reg.LCR_DLAB:
                s.divisor = s.divisor & 0x00FF | value << 8
            case reg.IER:
                self._write_ier(value)
            case reg.IIR_FCR:
                self._write_fcr(value)
            case reg.LCR:
                self._write_lcr(value, now)
            case reg.MCR:
                self._write_mcr(value)
            case reg.SCR:
                s.scr = value
            case _:
                pass  # LSR and MSR: written in factory tests only (data sheet, line status register)

    @property
    def character_time(self) -> int:
        """Nanoseconds that one character takes on the line as it is programmed now."""
        s = self._state
        return reg.half_bits(s.lcr) * max(s.divisor, 1) * NANOSECONDS_PER_SECOND // (2 * BAUD_BASE)

    def can_receive(self) -> bool:
        """Whether a character would arrive without overrun. Loopback mode takes the receiver off the line."""
        s = self._state
        return not s.mcr & reg.MCR_LOOP and len(s.rcvr_fifo) < self._rcvr_size

    def receive(self, data: int, now: int, errors: int = 0) -> None:
        """A character arrives on SIN, with LSR's PE, FE or BI in `errors`. Lost in loopback mode."""
        if not self._state.mcr & reg.MCR_LOOP:
            self._shift_in(data, errors & reg.LSR_CHARACTER_ERRORS, now)

    def receive_break(self, now: int) -> None:
        """SIN stays at space for a whole character: a zero with BI and FE."""
        self.receive(0, now, reg.LSR_BI | reg.LSR_FE)

    def set_modem_inputs(self, inputs: int) -> None:
        """The far end drives CTS, DSR, RI and DCD: MSR bits 4-7, a set bit is an asserted signal."""
        before = self._modem_inputs
        self._state.modem_inputs = inputs & reg.MSR_INPUTS
        self._modem_changed(before)

    def on_event(self, name: str, now: int) -> None:
        del name, now
        self._state.timeout_interrupt = bool(self._state.rcvr_fifo)
        self._update()

    def save(self) -> UartState:
        return copied(self._state)

    def restore(self, state: UartState) -> None:
        self._state = copied(state)
        self._show()

    def describe(self, now: int) -> Rows:
        s = self._state
        return [
            ("line", f"{BAUD_BASE // max(s.divisor, 1)} baud {reg.frame_format(s.lcr)}, divisor {s.divisor}"),
            ("IER", bit_names(s.ier, reg.IER_BITS)),
            ("IIR", reg.IIR_NAMES[self._interrupt_id()]),
            ("FIFOs", f"enabled, trigger level {self._trigger}" if s.fcr & reg.FCR_ENABLE else "disabled"),
            ("LCR", bit_names(s.lcr, reg.LCR_BITS)),
            ("MCR", bit_names(s.mcr, reg.MCR_BITS)),
            ("LSR", bit_names(self._lsr(), reg.LSR_BITS)),
            ("MSR", bit_names(self._modem_inputs | s.modem_deltas, reg.MSR_BITS)),
            ("SCR", f"{s.scr:02x}"),
            ("receiver", " ".join(f"{entry & 0xFF:02x}" for entry in s.rcvr_fifo) or "empty"),
            ("interrupt", "asserted" if self._irq_level() else "not asserted"),
        ]

    @property
    def _rcvr_size(self) -> int:
        return FIFO_SIZE if self._state.fcr & reg.FCR_ENABLE else 1

    @property
    def _trigger(self) -> int:
        fcr = self._state.fcr
        return reg.TRIGGER_LEVELS[fcr >> 6 & 3] if fcr & reg.FCR_ENABLE else 1

    @property
    def _modem_inputs(self) -> int:
        s = self._state
        return reg.looped_back(s.mcr) if s.mcr & reg.MCR_LOOP else s.modem_inputs

    def _lsr(self) -> int:
        s = self._state
        value = s.line_errors | reg.LSR_THRE | reg.LSR_TEMT
        if s.rcvr_fifo:
            value |= reg.LSR_DR
        if s.fcr & reg.FCR_ENABLE and (
            s.line_errors & reg.LSR_CHARACTER_ERRORS or (s.rcvr_fifo and max(s.rcvr_fifo) > 0xFF)
        ):
            value |= reg.LSR_FIFO_ERROR
        return value

    def _interrupt_id(self) -> int:
        """IIR bits 0-3 by priority (data sheet, table V)."""
        s = self._state
        if s.ier & reg.IER_ELSI and s.line_errors:
            return reg.IIR_LINE_STATUS
        if s.ier & reg.IER_ERBFI and len(s.rcvr_fifo) >= self._trigger:
            return reg.IIR_DATA_AVAILABLE
        if s.ier & reg.IER_ERBFI and s.timeout_interrupt:
            return reg.IIR_CHARACTER_TIMEOUT
        if s.ier & reg.IER_ETBEI and s.thre_interrupt:
            return reg.IIR_THR_EMPTY
        if s.ier & reg.IER_EDSSI and s.modem_deltas:
            return reg.IIR_MODEM_STATUS
        return reg.IIR_NONE

    def _irq_level(self) -> bool:
        """A PC passes INTR on while OUT2 is active; loopback mode turns the OUT2 pin off."""
        gate = self._state.mcr & (reg.MCR_OUT2 | reg.MCR_LOOP)
        return (gate == reg.MCR_OUT2 or not self._gated) and self._interrupt_id() != reg.IIR_NONE

    def _update_irq(self) -> None:
        """Only what interrupts has changed: IER, or whether THR is empty."""
        self._irq.set(self._irq_level())

    def _update(self) -> None:
        """Anything has changed."""
        self._update_irq()
        self._show()

    def _show(self) -> None:
        s = self._state
        if s.line_errors:
            self.plain.hide(reg.LSR)
        else:
            self.plain.show(reg.LSR, self._lsr())
        if s.modem_deltas:
            self.plain.hide(reg.MSR)
        else:
            self.plain.show(reg.MSR, self._modem_inputs)

    def _read_rbr(self, now: int) -> int:
        s = self._state
        if not s.rcvr_fifo:
            return 0
        data = s.rcvr_fifo.pop(0) & 0xFF
        s.timeout_interrupt = False
        self._reveal_errors()
        self._restart_timeout(now)
        self._update()
        return data

    def _read_iir(self) -> int:
        current = self._interrupt_id()
        if current == reg.IIR_THR_EMPTY:
            self._state.thre_interrupt = False
            self._update_irq()
        return current | (reg.IIR_FIFOS_ENABLED if self._state.fcr & reg.FCR_ENABLE else 0)

    def _read_lsr(self) -> int:
        value = self._lsr()
        if self._state.line_errors:
            self._state.line_errors = 0
            self._update()
        return value

    def _read_msr(self) -> int:
        s = self._state
        value = self._modem_inputs | s.modem_deltas
        if s.modem_deltas:
            s.modem_deltas = 0
            self._update()
        return value

    def _write_thr(self, value: int, now: int) -> None:
        s = self._state
        if s.thre_interrupt:
            s.thre_interrupt = False
            self._update_irq()
        data = value & (0x20 << (s.lcr & reg.LCR_WORD_LENGTH)) - 1
        if s.mcr & reg.MCR_LOOP:
            self._shift_in(data, 0, now)
        else:
            self._backend.transmit(data, now)
        s.thre_interrupt = bool(s.ier & reg.IER_ETBEI)
        if s.thre_interrupt:
            self._update_irq()

    def _write_ier(self, value: int) -> None:
        s = self._state
        rising = value & ~s.ier
        s.ier = value & 0x0F
        if rising & reg.IER_ETBEI:
            s.thre_interrupt = True
        elif not s.ier & reg.IER_ETBEI:
            s.thre_interrupt = False
        self._update_irq()

    def _write_fcr(self, value: int) -> None:
        s = self._state
        enable = value & reg.FCR_ENABLE
        if enable != s.fcr & reg.FCR_ENABLE or (enable and value & reg.FCR_RCVR_RESET):
            s.rcvr_fifo.clear()
            s.timeout_interrupt = False
            self._timer.cancel(CHARACTER_TIMEOUT)
        s.fcr = value & reg.FCR_KEPT if enable else 0
        self._update()

    def _write_lcr(self, value: int, now: int) -> None:
        s = self._state
        break_starts = value & ~s.lcr & reg.LCR_SET_BREAK
        s.lcr = value
        if break_starts and s.mcr & reg.MCR_LOOP:
            self._shift_in(0, reg.LSR_BI | reg.LSR_FE, now)

    def _write_mcr(self, value: int) -> None:
        before = self._modem_inputs
        self._state.mcr = value & 0x1F
        self._modem_changed(before)

    def _modem_changed(self, before: int) -> None:
        self._state.modem_deltas |= reg.modem_deltas(before, self._modem_inputs)
        self._update()

    def _shift_in(self, data: int, errors: int, now: int) -> None:
        """A whole character is in the shift register (data sheet, LSR bit 1, for what an overrun keeps)."""
        s = self._state
        entry = data & (0x20 << (s.lcr & reg.LCR_WORD_LENGTH)) - 1 | errors << 8
        if len(s.rcvr_fifo) < self._rcvr_size:
            s.rcvr_fifo.append(entry)
            self._restart_timeout(now)
        else:
            s.line_errors |= reg.LSR_OE
            if not s.fcr & reg.FCR_ENABLE:
                s.rcvr_fifo[0] = entry
        self._reveal_errors()
        self._update()

    def _reveal_errors(self) -> None:
        """LSR shows a character's errors once it is at the top of the FIFO."""
        fifo = self._state.rcvr_fifo
        if fifo and fifo[0] > 0xFF:
            self._state.line_errors |= fifo[0] >> 8
            fifo[0] &= 0xFF

    def _restart_timeout(self, now: int) -> None:
        """Four character times without a character received or read raise the timeout interrupt (FIFO mode
        only).
        """
        if self._state.fcr & reg.FCR_ENABLE and self._state.rcvr_fifo:
            self._timer.schedule(CHARACTER_TIMEOUT, now + TIMEOUT_CHARACTERS * self.character_time)
        else:
            self._timer.cancel(CHARACTER_TIMEOUT)
