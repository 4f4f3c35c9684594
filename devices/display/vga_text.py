"""The registers of a VGA in text mode: what was written is kept, and the retrace comes. Its memory is RAM at B8000h.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem. Fonts, palettes and graphics modes change
nothing that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.display.vga_ports import (
    ATTRIBUTE,
    ATTRIBUTE_READ,
    ATTRIBUTE_REGISTERS,
    CRTC,
    CRTC_DATA,
    CRTC_PROTECT,
    CRTC_REGISTERS,
    CURSOR_HIGH,
    CURSOR_LOW,
    CURSOR_START,
    DAC_DATA,
    DAC_MASK,
    DAC_READ_INDEX,
    DAC_SIZE,
    DAC_WRITE_INDEX,
    DISPLAY_DISABLED,
    FEATURE_READ,
    GRAPHICS,
    GRAPHICS_DATA,
    GRAPHICS_REGISTERS,
    MISC_READ,
    MISC_WRITE,
    MODE_3_ATTRIBUTES,
    MODE_3_CRTC,
    MODE_3_GRAPHICS,
    MODE_3_MISC,
    MODE_3_SEQUENCER,
    PROTECTED,
    SEQUENCER,
    SEQUENCER_DATA,
    SEQUENCER_REGISTERS,
    START_HIGH,
    START_LOW,
    STATUS,
    VERTICAL_RETRACE,
)
from devices.seam import Rows
from devices.wiring.shared_ports import PlainPorts

COLUMNS = 80

LINE_NS = 31_778
"""449 lines at 70.08 Hz."""
LINES, SHOWN_LINES, SHOWN_NS = 449, 400, 25_422
RETRACE_LINES = range(412, 414)


@dataclass(slots=True)
class VgaTextState:
    """Register files by index; `attribute_data` says that the next write to 3C0h is data, not an index."""

    misc: int = MODE_3_MISC
    crtc: list[int] = field(default_factory=lambda: list(MODE_3_CRTC))
    sequencer: list[int] = field(default_factory=lambda: list(MODE_3_SEQUENCER))
    graphics: list[int] = field(default_factory=lambda: list(MODE_3_GRAPHICS))
    attributes: list[int] = field(default_factory=lambda: list(MODE_3_ATTRIBUTES))
    indices: list[int] = field(default_factory=lambda: [0, 0, 0, 0x20])
    """Of CRTC, sequencer, graphics and attributes."""
    attribute_data: bool = False
    dac: list[int] = field(default_factory=lambda: [0] * DAC_SIZE)
    dac_mask: int = 0xFF
    dac_read: int = 0
    dac_write: int = 0


_INDEX_PORTS: Mapping[int, int] = {CRTC: 0, SEQUENCER: 1, GRAPHICS: 2}
_DATA_PORTS: Mapping[int, int] = {CRTC_DATA: 0, SEQUENCER_DATA: 1, GRAPHICS_DATA: 2}


class VgaText:
    """Byte-wide ports 3C0h to 3DFh; wider accesses are bytes, so that index and data can be written at once."""

    name = "vga"
    title = "VGA registers, text mode"
    State: ClassVar[type[VgaTextState]] = VgaTextState

    def __init__(self) -> None:
        self._state = VgaTextState()
        self.plain = PlainPorts()
        """STATUS, while reading it changes nothing and the beam comes to nothing new."""

    def read(self, offset: int, size: int, now: int) -> int:
        s = self._state
        if offset in _INDEX_PORTS:
            return s.indices[_INDEX_PORTS[offset]]
        if offset in _DATA_PORTS:
            return self._file(_DATA_PORTS[offset])
        if offset == STATUS:
            s.attribute_data = False
            value, until = _status(now)
            self.plain.show(0, value, until)
            return value
        if offset == DAC_DATA:
            value = s.dac[s.dac_read]
            s.dac_read = (s.dac_read + 1) % DAC_SIZE
            return value
        return self._plain(offset)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        s = self._state
        value &= 0xFF
        if offset in _INDEX_PORTS:
            s.indices[_INDEX_PORTS[offset]] = value
        elif offset in _DATA_PORTS:
            self._write_file(_DATA_PORTS[offset], value)
        elif offset == ATTRIBUTE:
            self._write_attribute(value)
        elif offset == MISC_WRITE:
            s.misc = value
        elif offset == DAC_MASK:
            s.dac_mask = value
        elif offset == DAC_READ_INDEX:
            s.dac_read = 3 * value
        elif offset == DAC_WRITE_INDEX:
            s.dac_write = 3 * value
        elif offset == DAC_DATA:
            s.dac[s.dac_write] = value & 0x3F
            s.dac_write = (s.dac_write + 1) % DAC_SIZE

    @property
    def start(self) -> int:
        """Where in text memory the screen begins, in characters."""
        return self._state.crtc[START_HIGH] << 8 | self._state.crtc[START_LOW]

    @property
    def cursor(self) -> int:
        """Where the cursor is, in characters from the beginning of text memory."""
        return self._state.crtc[CURSOR_HIGH] << 8 | self._state.crtc[CURSOR_LOW]

    def save(self) -> VgaTextState:
        return copied(self._state)

    def restore(self, state: VgaTextState) -> None:
        """Raises ValueError for files of registers that no VGA has."""
        sizes = [len(one) for one in (state.crtc, state.sequencer, state.graphics, state.attributes, state.dac)]
        if sizes != [CRTC_REGISTERS, SEQUENCER_REGISTERS, GRAPHICS_REGISTERS, ATTRIBUTE_REGISTERS, DAC_SIZE]:
            raise ValueError(f"a VGA has not {sizes} registers")
        if len(state.indices) != len(_INDEX_PORTS) + 1 or not all(
            0 <= at < DAC_SIZE for at in (state.dac_read, state.dac_write)
        ):
            raise ValueError("an index is of no register")
        self.plain.hide(0)
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        s = self._state
        row, column = divmod(self.cursor - self.start, COLUMNS)
        return [
            ("miscellaneous output", f"{s.misc:02x}"),
            ("CRTC", bytes(s.crtc).hex(" ")),
            ("sequencer", bytes(s.sequencer).hex(" ")),
            ("graphics", bytes(s.graphics).hex(" ")),
            ("attributes", bytes(s.attributes).hex(" ")),
            ("cursor", f"row {row}, column {column}{' off' if s.crtc[CURSOR_START] & 0x20 else ''}"),
        ]

    def _files(self) -> tuple[list[int], list[int], list[int]]:
        return self._state.crtc, self._state.sequencer, self._state.graphics

    def _file(self, number: int) -> int:
        registers, index = self._files()[number], self._state.indices[number]
        return registers[index] if index < len(registers) else 0

    def _write_file(self, number: int, value: int) -> None:
        registers, index = self._files()[number], self._state.indices[number]
        if index >= len(registers):
            return
        if number == 0 and index < 8 and registers[CRTC_PROTECT] & PROTECTED:
            return
        registers[index] = value

    def _write_attribute(self, value: int) -> None:
        s = self._state
        self.plain.hide(0)
        if not s.attribute_data:
            s.indices[3] = value & 0x3F
        elif s.indices[3] & 0x1F < ATTRIBUTE_REGISTERS:
            s.attributes[s.indices[3] & 0x1F] = value
        s.attribute_data = not s.attribute_data

    def _plain(self, offset: int) -> int:
        s = self._state
        index = s.indices[3] & 0x1F
        values = {
            ATTRIBUTE: s.indices[3],
            ATTRIBUTE_READ: s.attributes[index] if index < ATTRIBUTE_REGISTERS else 0,
            MISC_READ: s.misc,
            DAC_MASK: s.dac_mask,
            DAC_READ_INDEX: 0x03,
            DAC_WRITE_INDEX: s.dac_write // 3,
            MISC_WRITE: 0x10,
            FEATURE_READ: 0x00,
        }
        return values.get(offset, 0xFF)


def _status(now: int) -> tuple[int, int]:
    """Input status 1: where the beam is; and the first nanosecond at which that may be otherwise."""
    line, at = divmod(now, LINE_NS)
    line %= LINES
    shown = line < SHOWN_LINES and at < SHOWN_NS
    value = (0 if shown else DISPLAY_DISABLED) | (VERTICAL_RETRACE if line in RETRACE_LINES else 0)
    return value, now - at + (SHOWN_NS if shown else LINE_NS)
