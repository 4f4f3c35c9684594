"""What a monitor at the machine shows, whatever display it has: as a picture, and as text.

Without a display there is text memory, as kernels of the old times have it: 80 by 25 characters at B8000h, drawn with
the font of this computer's option ROM.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from devices.display.frame import Frame
from devices.display.text_picture import Cursor, TextScreen, text_picture
from devices.display.vga import Vga
from devices.display.vga_picture import is_text, key_of, row_keys, text_screen, vga_picture
from devices.display.vga_ports import CURSOR_END, CURSOR_START
from devices.display.vga_text import VgaText
from vmdbg.boot.installed_firmware import vgabios
from vmdbg.errors import UserError
from vmdbg.machine.display_setup import colour_of, font_of
from vmdbg.machine.machine import Machine
from vmdbg.units import Physical

TEXT_MEMORY, TEXT_SIZE = Physical(0xB8000), 0x8000
COLUMNS, LINES = 80, 25
CURSOR_OFF = 0x20
_COLOURS = (*range(6), 0x14, 7, *range(0x38, 0x40))
"""Of the attribute controller in text mode."""


def frame_of(machine: Machine) -> Frame:
    """The picture at this instant; it changes nothing. Raises UserError where there is no font to draw text with."""
    vga = display_of(machine)
    return vga_picture(vga, machine.clock) if vga is not None else text_picture(_plain_screen(machine, _host_font()))


def display_of(machine: Machine) -> Vga | None:
    """The display that has pictures, if there is one."""
    vga = machine.pc.devices.get(Vga.name)
    return vga if isinstance(vga, Vga) else None


def text_of(machine: Machine) -> list[str] | None:
    """The lines of text mode, without spaces at their ends; None while there are graphics."""
    vga = display_of(machine)
    if vga is None:
        return lines_of(text_cells(machine, COLUMNS, LINES), COLUMNS)
    if not is_text(vga):
        return None
    screen = text_screen(vga, machine.clock)
    return lines_of(screen.cells, screen.columns)


def text_screen_of(machine: Machine) -> TextScreen | None:
    """Characters and colours of text mode, without a font where there is no display; None while there are graphics."""
    vga = display_of(machine)
    if vga is None:
        return _plain_screen(machine, b"")
    return text_screen(vga, machine.clock) if is_text(vga) else None


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a picture is told from others by, whatever blinks and wherever the cursor is. `lines` are those of text, or
    rows of dots, each by what is in it; `texts` are the words of a text's.
    """

    mode: str
    lines: tuple[bytes, ...]
    texts: tuple[str, ...] = ()


def appearance_of(machine: Machine) -> Appearance:
    """It costs less than the picture, and needs no font."""
    vga = display_of(machine)
    if vga is not None and not is_text(vga):
        return Appearance(vga.mode_text(), row_keys(vga))
    if vga is None:
        columns, cells, look = COLUMNS, text_cells(machine, COLUMNS, LINES), b""
    else:
        screen = text_screen(vga, 0)
        columns, cells = screen.columns, screen.cells
        look = key_of(b"".join(screen.palette), *screen.fonts)
    lines = tuple(look + cells[at : at + 2 * columns] for at in range(0, len(cells), 2 * columns))
    mode = vga.mode_text() if vga is not None else f"text, {COLUMNS}x{LINES}"
    return Appearance(mode, lines, tuple(lines_of(cells, columns)))


def lines_of(cells: bytes, columns: int) -> list[str]:
    """Of characters and attributes."""
    characters = cells[::2].decode("cp437").replace("\0", " ")
    return [characters[at : at + columns].rstrip() for at in range(0, len(characters), columns)]


def text_cells(machine: Machine, columns: int, lines: int) -> bytes:
    """Of text memory that is RAM: from where the CRTC begins, or from its beginning where the screen would reach beyond
    its end, or nobody says.
    """
    vga, size = machine.pc.devices.get(VgaText.name), 2 * columns * lines
    start = vga.start * 2 if isinstance(vga, VgaText) else 0
    start = start if start + size <= TEXT_SIZE else 0
    return bytes(machine.engine.read_physical(Physical(TEXT_MEMORY + start), size))


def _plain_screen(machine: Machine, font: bytes) -> TextScreen:
    return TextScreen(
        columns=COLUMNS,
        lines=LINES,
        cells=text_cells(machine, COLUMNS, LINES),
        fonts=(font, font),
        palette=[bytes(part << 2 | (part & 1) * 3 for part in colour_of(index)) for index in _COLOURS],
        cursor=_cursor(machine),
    )


@functools.cache
def _host_font() -> bytes:
    try:
        return font_of(vgabios())
    except UserError as error:
        raise UserError(f"there is no font to draw the text of this machine with: {error}") from None


def _cursor(machine: Machine) -> Cursor | None:
    vga = machine.pc.devices.get(VgaText.name)
    if not isinstance(vga, VgaText):
        return None
    first, last = vga.save().crtc[CURSOR_START], vga.save().crtc[CURSOR_END]
    return None if first & CURSOR_OFF else Cursor(vga.cursor - vga.start, first & 0x1F, last & 0x1F)
