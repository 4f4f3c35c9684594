"""What a monitor at a VGA shows: a pure function of its registers, its memory and the time.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem; the layout of memory is planes.py's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from devices.display import vga_ports as ports
from devices.display import vga_registers as reg
from devices.display.frame import Frame, blank
from devices.display.graphics_picture import Row, direct, indexed, pairs, palette_of, planar
from devices.display.shared_vga import SharedVga
from devices.display.text_picture import FONT_SIZE, GLYPH_STEP, Cursor, TextScreen, text_picture
from devices.display.vbe import Vbe
from devices.display.vga import Vga
from devices.display.vga_registers import VgaRegisters, shown_lines

CURSOR_FRAMES, BLINK_FRAMES = 8, 16
"""Half a period, in frames."""
CURSOR_OFF = 0x20
_NO_COMPARE = 1 << 16
_WRAP = 0x3FFFF


def vga_picture(vga: Vga, now: int) -> Frame:
    """At `now`, which decides on what blinks."""
    s = vga.registers.state
    dark = _dark(s)
    if vga.vbe.enabled or s.graphics[reg.MISCELLANEOUS] & reg.GRAPHICS_MODE:
        return _graphics(vga, dark=dark)
    screen = text_screen(vga, now)
    return blank(screen.columns * screen.dots, screen.lines * screen.rows) if dark else text_picture(screen)


def is_text(vga: Vga) -> bool:
    """Whether it shows characters."""
    return not vga.vbe.enabled and not vga.registers.state.graphics[reg.MISCELLANEOUS] & reg.GRAPHICS_MODE


def text_screen(vga: Vga, now: int) -> TextScreen:
    """Characters and what they look like at `now`."""
    s = vga.registers.state
    columns, rows = s.crtc[reg.H_DISPLAYED] + 1, (s.crtc[reg.MAXIMUM_SCAN] & 0x1F) + 1
    lines = shown_lines(s) // rows
    start = s.crtc[ports.START_HIGH] << 8 | s.crtc[ports.START_LOW]
    blinking = bool(s.attributes[reg.ATTRIBUTE_MODE] & reg.BLINK)
    fonts = _font(vga, s.sequencer[reg.CHARACTER_MAPS] & 3, 4), _font(vga, s.sequencer[reg.CHARACTER_MAPS] >> 2 & 3, 5)
    return TextScreen(
        columns=columns,
        lines=lines,
        cells=b"".join(_cells(vga, start + line * 2 * s.crtc[reg.OFFSET], columns) for line in range(lines)),
        fonts=fonts,
        palette=palette_16(vga),
        dots=16 if s.sequencer[1] & reg.HALF_CLOCK else 8 if s.sequencer[1] & reg.DOTS_8 else 9,
        rows=rows,
        line_graphics=bool(s.attributes[reg.ATTRIBUTE_MODE] & reg.LINE_GRAPHICS),
        blink=blinking,
        hidden=_phase(vga.registers, BLINK_FRAMES, now),
        cursor=_cursor(vga.registers, start, columns, now),
    )


def palette_16(vga: Vga) -> list[bytes]:
    """The colours of the attribute controller's sixteen registers."""
    s = vga.registers.state
    colours = palette_of(bytes(s.dac), wide=vga.vbe.wide_dac)
    select, mode = s.attributes[reg.COLOUR_SELECT], s.attributes[reg.ATTRIBUTE_MODE]
    found = []
    for value in s.attributes[:16]:
        kept = 0xF if mode & reg.SELECT_54 else 0x3F
        index = select << 4 & 0xF0 & ~kept | value & kept
        found.append(colours[index & s.dac_mask])
    return found


def _palette_256(vga: Vga) -> list[bytes]:
    s = vga.registers.state
    colours = palette_of(bytes(s.dac), wide=vga.vbe.wide_dac)
    return [colours[index & s.dac_mask] for index in range(256)]


def _cells(vga: Vga, first: int, count: int) -> bytes:
    """Characters and attributes are in planes 0 and 1."""
    data = _memory(vga, 4 * first, 4 * count)
    cells = bytearray(2 * count)
    cells[0::2], cells[1::2] = data[0::4], data[1::4]
    return bytes(cells)


def _font(vga: Vga, low: int, high_bit: int) -> bytes:
    """8 KiB of plane 2, whose number character map select has in two places."""
    number = low << 1 | vga.registers.state.sequencer[reg.CHARACTER_MAPS] >> high_bit & 1
    return vga.memory.read(4 * FONT_SIZE * number, 4 * 256 * GLYPH_STEP)[2::4]


def _memory(vga: Vga, at: int, size: int) -> bytes:
    """Where a VGA's addresses end they begin again."""
    at &= _WRAP
    if at + size <= vga.memory.size:
        return vga.memory.read(at, size)
    return vga.memory.read(at, vga.memory.size - at).ljust(size, b"\0")


def _phase(registers: VgaRegisters, frames: int, now: int) -> bool:
    return bool(now // (frames * registers.frame_ns()) & 1)


def _cursor(registers: VgaRegisters, start: int, columns: int, now: int) -> Cursor | None:
    crtc = registers.state.crtc
    first, last = crtc[ports.CURSOR_START], crtc[ports.CURSOR_END] & 0x1F
    if first & CURSOR_OFF or _phase(registers, CURSOR_FRAMES, now):
        return None
    at = (crtc[ports.CURSOR_HIGH] << 8 | crtc[ports.CURSOR_LOW]) - start
    line, column = divmod(at, 2 * crtc[reg.OFFSET]) if crtc[reg.OFFSET] else (0, at)
    return Cursor(line * columns + column, first & 0x1F, last) if 0 <= column < columns and line >= 0 else None


def key_of(*parts: bytes) -> bytes:
    """Eight bytes that are the same for the same."""
    made = hashlib.blake2b(digest_size=8)
    for part in parts:
        made.update(part)
    return made.digest()


def row_keys(vga: Vga) -> tuple[bytes, ...]:
    """Of graphics: what each row of the picture looks like, without drawing it."""
    s, pixels = vga.registers.state, _pixels(vga)
    width, height = _size(vga, pixels)
    if _dark(s):
        return (b"",) * height
    look = key_of(*palette_16(vga), *_palette_256(vga), vga.mode_text().encode(), bytes((s.graphics[reg.MODE],)))
    size, memory = -(-width * pixels.size // pixels.count), vga.memory
    starts = _row_starts(s, vga.vbe, height, memory.size)
    keys = {at: key_of(look, memory.read(at, min(size, memory.size - at))) for at in set(starts)}
    return tuple(keys[at] for at in starts)


def _dark(s: SharedVga) -> bool:
    return bool(not s.attribute_index & ports.ADDRESS_ENABLE or s.sequencer[reg.CLOCKING_MODE] & reg.SCREEN_OFF)


def _size(vga: Vga, pixels: _Pixels) -> tuple[int, int]:
    s = vga.registers.state
    width, height = vga.vbe.size if vga.vbe.enabled else ((s.crtc[reg.H_DISPLAYED] + 1) * 8, shown_lines(s))
    return width * pixels.wider, height


@dataclass(frozen=True, slots=True)
class _Pixels:
    """How a row is drawn: `size` bytes for `count` pixels, which are `wider` times as many as the CRTC says."""

    draw: Row
    size: int
    count: int
    wider: int = 1


def _graphics(vga: Vga, *, dark: bool) -> Frame:
    vbe, s = vga.vbe, vga.registers.state
    pixels = _pixels(vga)
    width, height = _size(vga, pixels)
    if dark:
        return blank(width, height)
    size = -(-width * pixels.size // pixels.count)
    rows: dict[int, bytes] = {}
    picture = []
    for at in _row_starts(s, vbe, height, vga.memory.size):
        row = rows.get(at)
        if row is None:
            data = vga.memory.read(at, min(size, vga.memory.size - at)).ljust(size, b"\0")
            row = rows[at] = pixels.draw(data)[: 3 * width]
        picture.append(row)
    return Frame(width, height, b"".join(picture))


def _pixels(vga: Vga) -> _Pixels:
    vbe, s = vga.vbe, vga.registers.state
    shift = s.graphics[reg.MODE] >> 5 & 3
    enabled = s.attributes[reg.PLANE_ENABLE] & 0xF
    each = 2 if s.sequencer[reg.CLOCKING_MODE] & reg.HALF_CLOCK and not vbe.enabled else 1
    if shift < 2:
        draw = planar if shift == 0 else pairs
        return _Pixels(draw(palette_16(vga), enabled, each), 4, 8 * each, each)
    if not vbe.enabled:
        return _Pixels(indexed(_palette_256(vga), 2), 1, 2)
    match vbe.depth:
        case 8:
            return _Pixels(indexed(_palette_256(vga)), 1, 1)
        case 4:
            return _Pixels(planar(palette_16(vga), enabled), 4, 8)
        case depth:
            return _Pixels(direct(depth), (depth + 7) // 8, 1)


def _row_starts(s: SharedVga, vbe: Vbe, height: int, end: int) -> list[int]:
    """Where in memory each line of the picture is: of a row so many are the same, or taken from elsewhere as CGA's are;
    after the line that is compared memory begins again.
    """
    crtc = s.crtc
    if vbe.enabled:
        at, pitch, compare = vbe.start, vbe.pitch, _NO_COMPARE
    else:
        at, pitch = 4 * (crtc[ports.START_HIGH] << 8 | crtc[ports.START_LOW]), crtc[reg.OFFSET] << 3
        overflow = (crtc[reg.OVERFLOW] & 0x10) << 4 | (crtc[reg.MAXIMUM_SCAN] & 0x40) << 3
        compare = crtc[reg.LINE_COMPARE] | overflow
    doubled, scans = crtc[reg.MAXIMUM_SCAN] >> 7, (crtc[reg.MAXIMUM_SCAN] & 0x1F) + 1
    place = _placing(crtc[reg.CRTC_MODE])
    starts, count = [], 0
    for line in range(height):
        starts.append(place(at, count >> doubled))
        count += 1
        if count == scans << doubled:
            at, count = at + pitch, 0
        if line == compare:
            at = 0
    return [start % end for start in starts]


def _placing(mode: int) -> Callable[[int, int], int]:
    """The CRTC's mode register has address bits 13 and 14 replaced by those of the scan in a row, for CGA and Hercules.

    In memory, where doublewords have the planes and half of them are used, they are one further.
    """

    def place(at: int, scan: int) -> int:
        if not mode & 1:
            shift = 14 + (mode >> 6 & 1)
            at = at & ~(1 << shift) | (scan & 1) << shift
        if not mode & 2:
            at = at & ~0x8000 | (scan & 2) << 14
        return at

    return place
