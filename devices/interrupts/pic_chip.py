"""One 8259A programmable interrupt controller.

Source: Intel 8259A data sheet (231468); ELCR of the 82371SB (PIIX3) data sheet, 4D0h and 4D1h.
"""

from __future__ import annotations

import enum

from devices.interrupts.pic_memory import Expecting, PicChipMemory, PicChipState
from devices.seam import Line

SPURIOUS_LEVEL = 7

ICW1_IC4, ICW1_SNGL, ICW1_LTIM, ICW1_SELECT = 0x01, 0x02, 0x08, 0x10
ICW4_AEOI, ICW4_SFNM = 0x02, 0x10
OCW3_RIS, OCW3_RR, OCW3_P, OCW3_SELECT, OCW3_SMM, OCW3_ESMM = 0x01, 0x02, 0x04, 0x08, 0x20, 0x40


class Ocw2(enum.IntEnum):
    """Bits R, SL and EOI of operation command word 2."""

    CLEAR_ROTATE_IN_AEOI = 0
    NON_SPECIFIC_EOI = 1
    NO_OPERATION = 2
    SPECIFIC_EOI = 3
    SET_ROTATE_IN_AEOI = 4
    ROTATE_ON_NON_SPECIFIC_EOI = 5
    SET_PRIORITY = 6
    ROTATE_ON_SPECIFIC_EOI = 7


OCW2 = tuple(Ocw2)


class PicChip:
    """One 8259A. Offset 0 and 1 are address line A0; `int_output` is its INT pin."""

    def __init__(self, state: PicChipMemory, int_output: Line, elcr_mask: int) -> None:
        self._int_output = int_output
        self._elcr_mask = elcr_mask
        self.state = state
        state.load(PicChipState())

    def read(self, offset: int, size: int, now: int) -> int:
        state = self.state
        if offset > 1:
            return (1 << 8 * size) - 1
        if state.poll:
            state.poll = False
            return self._poll()
        if offset == 1:
            return state.imr
        return state.isr if state.read_isr else self.irr

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        value &= 0xFF
        if offset == 1:
            self._write_a1(value)
        elif offset == 0:
            if value & ICW1_SELECT:
                self._write_icw1(value)
            elif value & OCW3_SELECT:
                self._write_ocw3(value)
            else:
                self._write_ocw2(OCW2[value >> 5], value & 7)
        self._update()

    def set_line(self, number: int, level: bool) -> None:
        """The level at IR`number`. A request that goes away before it is acknowledged is forgotten."""
        state = self.state
        bit = 1 << number
        if level == bool(state.lines & bit):
            return
        if level:
            state.lines |= bit
            state.edge |= bit
        else:
            state.lines &= ~bit
            state.edge &= ~bit
        self._update()

    def write_elcr(self, value: int) -> None:
        self.state.elcr = value & self._elcr_mask
        self._update()

    @property
    def irr(self) -> int:
        """The interrupt request register: latched edges, and the high lines of level-triggered inputs."""
        state = self.state
        level = 0xFF if state.icw1 & ICW1_LTIM else state.elcr
        return (state.edge & ~level) | (state.lines & level)

    @property
    def is_cascading(self) -> bool:
        return not self.state.icw1 & ICW1_SNGL

    def pending(self) -> int | None:
        """The level that INT stands for: unmasked, and of higher priority than all in service."""
        state = self.state
        requests = self.irr & ~state.imr
        if not requests:
            return None
        blocking = state.isr & ~state.imr if state.special_mask_mode else state.isr
        # In the special fully nested mode a slave in service may interrupt again (data sheet, page 18).
        nested = state.icw3 if state.icw4 & ICW4_SFNM and self.is_cascading else 0
        for step in range(1, 9):
            bit = 1 << (state.lowest_priority + step & 7)
            if requests & bit and not blocking & bit & ~nested:
                return bit.bit_length() - 1
            if blocking & bit:
                return None
        return None

    def acknowledge(self) -> int:
        """The INTA sequence: the level acknowledged, 7 without going in service if there is no request."""
        level = self.pending()
        if level is None:
            self._update()
            return SPURIOUS_LEVEL
        state = self.state
        bit = 1 << level
        state.edge &= ~bit
        if not state.icw4 & ICW4_AEOI:
            state.isr |= bit
        elif state.rotate_in_aeoi:
            state.lowest_priority = level
        # INT falls with every INTA sequence, so that a master sees an edge for the next request.
        self._drive(False)
        self._update()
        return level

    def vector(self, level: int) -> int:
        return (self.state.icw2 & 0xF8) | level

    def _poll(self) -> int:
        if self.pending() is None:
            return 0
        return 0x80 | self.acknowledge()

    def _write_a1(self, value: int) -> None:
        state = self.state
        match state.expecting:
            case Expecting.NONE:
                state.imr = value
            case Expecting.ICW2:
                state.icw2 = value
                state.expecting = Expecting.ICW3 if self.is_cascading else self._after_icw3()
            case Expecting.ICW3:
                state.icw3 = value
                state.expecting = self._after_icw3()
            case Expecting.ICW4:
                state.icw4 = value
                state.expecting = Expecting.NONE

    def _after_icw3(self) -> Expecting:
        return Expecting.ICW4 if self.state.icw1 & ICW1_IC4 else Expecting.NONE

    def _write_icw1(self, value: int) -> None:
        old = self.state
        old.load(
            PicChipState(
                lines=old.lines,
                elcr=old.elcr,
                icw1=value,
                icw2=old.icw2,
                expecting=Expecting.ICW2,
                int_output=old.int_output,
            )
        )

    def _write_ocw3(self, value: int) -> None:
        state = self.state
        if value & OCW3_ESMM:
            state.special_mask_mode = bool(value & OCW3_SMM)
        state.poll = bool(value & OCW3_P)
        if value & OCW3_RR:
            state.read_isr = bool(value & OCW3_RIS)

    def _write_ocw2(self, command: Ocw2, level: int) -> None:
        state = self.state
        match command:
            case Ocw2.NON_SPECIFIC_EOI:
                self._end_highest()
            case Ocw2.ROTATE_ON_NON_SPECIFIC_EOI:
                ended = self._end_highest()
                state.lowest_priority = state.lowest_priority if ended is None else ended
            case Ocw2.SPECIFIC_EOI:
                state.isr &= ~(1 << level)
            case Ocw2.ROTATE_ON_SPECIFIC_EOI:
                state.isr &= ~(1 << level)
                state.lowest_priority = level
            case Ocw2.SET_PRIORITY:
                state.lowest_priority = level
            case Ocw2.SET_ROTATE_IN_AEOI:
                state.rotate_in_aeoi = True
            case Ocw2.CLEAR_ROTATE_IN_AEOI:
                state.rotate_in_aeoi = False
            case Ocw2.NO_OPERATION:
                pass

    def _end_highest(self) -> int | None:
        """Non-specific EOI. Masked levels stay in service in the special mask mode (data sheet, page 16)."""
        state = self.state
        candidates = state.isr & ~state.imr if state.special_mask_mode else state.isr
        for step in range(1, 9):
            level = state.lowest_priority + step & 7
            if candidates & 1 << level:
                state.isr &= ~(1 << level)
                return level
        return None

    def _update(self) -> None:
        self._drive(not self.state.expecting and self.pending() is not None)

    def _drive(self, level: bool) -> None:
        if level != self.state.int_output:
            self.state.int_output = level
            self._int_output.set(level)

    def describe(self) -> list[tuple[str, str]]:
        state = self.state
        pending = self.pending()
        modes = {
            "automatic EOI": state.icw4 & ICW4_AEOI,
            "special fully nested": state.icw4 & ICW4_SFNM,
            "special mask": state.special_mask_mode,
            "rotate in automatic EOI": state.rotate_in_aeoi,
            "poll": state.poll,
        }
        return [
            ("IRR", f"{self.irr:08b}"),
            ("IMR", f"{state.imr:08b}"),
            ("ISR", f"{state.isr:08b}"),
            ("IR inputs", f"{state.lines:08b}"),
            ("ELCR", f"{state.elcr:08b}"),
            ("vector base", f"{state.icw2 & 0xF8:#04x}"),
            ("lowest priority", f"IR{state.lowest_priority}"),
            ("modes", ", ".join(name for name, on in modes.items() if on) or "fully nested"),
            ("initialization", f"waiting for ICW{state.expecting}" if state.expecting else "done"),
            ("INT", "high" if state.int_output else "low"),
            ("pending", "none" if pending is None else f"IR{pending}"),
        ]
