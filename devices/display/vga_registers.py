"""The registers of a VGA: sequencer, CRTC, graphics controller, attribute controller and DAC.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Array, c_uint8

from devices.display import vga_ports as ports
from devices.display.shared_vga import SharedVga, VgaRegistersState
from devices.display.vga_ports import (
    ATTRIBUTE_REGISTERS,
    CRTC_PROTECT,
    CRTC_REGISTERS,
    DAC_SIZE,
    DISPLAY_DISABLED,
    GRAPHICS_REGISTERS,
    PROTECTED,
    SEQUENCER_REGISTERS,
    VERTICAL_RETRACE,
)

COLOUR, RAM_ENABLE = 0x01, 0x02
"""In miscellaneous output: the CRTC is at 3D4h, not 3B4h; the guest reaches video memory."""
MONO_PORTS = range(0x3B0, 0x3C0)
MAP_MASK, MEMORY_MODE = 2, 4
CLOCKING_MODE, DOTS_8, HALF_CLOCK, SCREEN_OFF = 1, 0x01, 0x08, 0x20
CHAIN_4 = 0x08
CHARACTER_MAPS = 3
SET_RESET, ENABLE_SET_RESET, COLOUR_COMPARE, ROTATE, READ_MAP, MODE, MISCELLANEOUS, DO_NOT_CARE, BIT_MASK = range(9)
ODD_EVEN, READ_COMPARE = 0x10, 0x08
GRAPHICS_MODE = 0x01
ATTRIBUTE_MODE, PLANE_ENABLE, PANNING, COLOUR_SELECT = 0x10, 0x12, 0x13, 0x14
LINE_GRAPHICS, BLINK, SELECT_54 = 0x04, 0x08, 0x80
H_TOTAL, H_DISPLAYED, V_TOTAL, OVERFLOW, MAXIMUM_SCAN, RETRACE_START, RETRACE_END = 0, 1, 6, 7, 9, 0x10, 0x11
V_DISPLAYED, OFFSET, CRTC_MODE, LINE_COMPARE = 0x12, 0x13, 0x17, 0x18
OVERFLOW_LINE_COMPARE = 0x10

SEQUENCER_MASKS = bytes.fromhex("033d0f3f0e")
GRAPHICS_MASKS = bytes.fromhex("0f0f0f1f037b0f0fff")
ATTRIBUTE_MASKS = bytes([*[0x3F] * 16, 0xEF, 0xFF, 0x3F, 0x0F, 0x0F])
_READING, _WRITING = 3, 0
_CLOCKS = (25_175, 28_322, 25_175, 28_322)
"""Of miscellaneous output's bits 2 and 3, in kHz."""


def check(state: VgaRegistersState) -> None:
    """Raises ValueError for files of registers that no VGA has."""
    sizes = [len(one) for one in (state.crtc, state.sequencer, state.graphics, state.attributes, state.dac)]
    if sizes != [CRTC_REGISTERS, SEQUENCER_REGISTERS, GRAPHICS_REGISTERS, ATTRIBUTE_REGISTERS, DAC_SIZE]:
        raise ValueError(f"a VGA has not {sizes} registers")
    files = (state.crtc, state.sequencer, state.graphics, state.attributes, state.dac, state.dac_held)
    if not all(0 <= value <= 0xFF for one in files for value in one):
        raise ValueError("a register of a VGA has eight bits")
    if not all(0 <= at <= 0xFF for at in (state.dac_read, state.dac_write)) or state.dac_part not in range(3):
        raise ValueError("an index is of no colour")
    if len(state.dac_held) != 3:
        raise ValueError("a colour has three components")


class VgaRegisters:
    """Byte-wide ports by their offset from 3C0h, those at 3B0h by theirs from 3A0h: the owner knows at which of the two
    CRTC and input status are. `changed` hears of what may have moved memory.
    """

    def __init__(self, changed: Callable[[], None], shared: SharedVga) -> None:
        self.state = shared
        shared.load(VgaRegistersState())
        self._changed = changed

    def read(self, offset: int, now: int) -> int:
        s = self.state
        match offset:
            case ports.ATTRIBUTE:
                return 0 if s.attribute_data else s.attribute_index
            case ports.ATTRIBUTE_READ:
                return _at(s.attributes, s.attribute_index & 0x1F)
            case ports.CRTC:
                return s.crtc_index
            case ports.CRTC_DATA:
                return _at(s.crtc, s.crtc_index)
            case ports.STATUS:
                s.attribute_data = False
                return self.status(now)
            case ports.DAC_DATA:
                value = s.dac[3 * s.dac_read + s.dac_part]
                s.dac_part = (s.dac_part + 1) % 3
                if s.dac_part == 0:
                    s.dac_read = (s.dac_read + 1) & 0xFF
                return value
        plain = {
            ports.MISC_WRITE: 0x00,
            ports.MISC_READ: s.misc,
            ports.SEQUENCER: s.sequencer_index,
            ports.SEQUENCER_DATA: _at(s.sequencer, s.sequencer_index),
            ports.GRAPHICS: s.graphics_index,
            ports.GRAPHICS_DATA: _at(s.graphics, s.graphics_index),
            ports.DAC_MASK: s.dac_mask,
            ports.DAC_READ_INDEX: s.dac_state,
            ports.DAC_WRITE_INDEX: s.dac_write,
        }
        return plain.get(offset, 0x00)

    def write(self, offset: int, value: int) -> None:
        s = self.state
        value &= 0xFF
        match offset:
            case ports.ATTRIBUTE:
                self._write_attribute(value)
            case ports.MISC_WRITE:
                s.misc = value & 0xEF
                self._changed()
            case ports.SEQUENCER:
                s.sequencer_index = value & 0x07
            case ports.SEQUENCER_DATA:
                self._write_file(s.sequencer, SEQUENCER_MASKS, s.sequencer_index, value)
            case ports.GRAPHICS:
                s.graphics_index = value & 0x0F
            case ports.GRAPHICS_DATA:
                self._write_file(s.graphics, GRAPHICS_MASKS, s.graphics_index, value)
            case ports.CRTC:
                s.crtc_index = value
            case ports.CRTC_DATA:
                self._write_crtc(value)
            case _:
                self._write_dac(offset, value)

    def status(self, now: int) -> int:
        """Input status 1: where the beam is."""
        line_ns, lines, shown, retrace = self.timing()
        line, at = divmod(now, line_ns)
        line %= lines
        columns = self.state.crtc
        total, displayed = columns[H_TOTAL] + 5, columns[H_DISPLAYED] + 1
        visible = line < shown and at * total < line_ns * displayed
        return (0 if visible else DISPLAY_DISABLED) | (VERTICAL_RETRACE if line in retrace else 0)

    def timing(self) -> tuple[int, int, int, range]:
        """Nanoseconds of a line; lines of a frame, those that are shown, and those of the retrace."""
        s = self.state
        crtc, overflow = s.crtc, s.crtc[OVERFLOW]
        dots = 8 if s.sequencer[CLOCKING_MODE] & DOTS_8 else 9
        halved = 2 if s.sequencer[CLOCKING_MODE] & HALF_CLOCK else 1
        line_ns = max(1, (crtc[H_TOTAL] + 5) * dots * halved * 1_000_000 // _CLOCKS[s.misc >> 2 & 3])
        lines = (crtc[V_TOTAL] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2
        start = crtc[RETRACE_START] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2
        length = (crtc[RETRACE_END] - start) & 0x0F or 16
        start = min(start, lines - 1)
        return line_ns, lines, shown_lines(s), range(start, start + length)

    def frame_ns(self) -> int:
        """Nanoseconds of a frame."""
        line_ns, lines, _, _ = self.timing()
        return line_ns * lines

    def save(self) -> VgaRegistersState:
        return self.state.saved()

    def restore(self, state: VgaRegistersState) -> None:
        """Raises ValueError for what no VGA has."""
        check(state)
        self.state.load(state)

    def _write_file(self, registers: Array[c_uint8], masks: bytes, index: int, value: int) -> None:
        if index < len(registers):
            registers[index] = value & masks[index]
            self._changed()

    def _write_crtc(self, value: int) -> None:
        crtc, index = self.state.crtc, self.state.crtc_index
        if index >= len(crtc):
            return
        if index < 8 and crtc[CRTC_PROTECT] & PROTECTED:
            if index == OVERFLOW:
                crtc[index] = crtc[index] & ~OVERFLOW_LINE_COMPARE | value & OVERFLOW_LINE_COMPARE
            return
        crtc[index] = value

    def _write_attribute(self, value: int) -> None:
        s = self.state
        index = s.attribute_index & 0x1F
        if not s.attribute_data:
            s.attribute_index = value & 0x3F
        elif index < ATTRIBUTE_REGISTERS:
            s.attributes[index] = value & ATTRIBUTE_MASKS[index]
        s.attribute_data = not s.attribute_data

    def _write_dac(self, offset: int, value: int) -> None:
        s = self.state
        if offset == ports.DAC_MASK:
            s.dac_mask = value
        elif offset == ports.DAC_READ_INDEX:
            s.dac_read, s.dac_part, s.dac_state = value, 0, _READING
        elif offset == ports.DAC_WRITE_INDEX:
            s.dac_write, s.dac_part, s.dac_state = value, 0, _WRITING
        elif offset == ports.DAC_DATA:
            self._write_colour(value if self.state.wide_dac else value & 0x3F)

    def _write_colour(self, value: int) -> None:
        """A component; the third one sets the colour."""
        s = self.state
        s.dac_held[s.dac_part] = value
        s.dac_part = (s.dac_part + 1) % 3
        if s.dac_part == 0:
            s.dac[3 * s.dac_write : 3 * s.dac_write + 3] = list(s.dac_held)
            s.dac_write = (s.dac_write + 1) & 0xFF


def shown_lines(state: SharedVga) -> int:
    """Lines of the picture."""
    overflow = state.crtc[OVERFLOW]
    return (state.crtc[V_DISPLAYED] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1


def _at(registers: list[int] | Array[c_uint8], index: int) -> int:
    return registers[index] if index < len(registers) else 0
