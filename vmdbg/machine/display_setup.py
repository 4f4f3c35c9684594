"""What firmware does to a display, for guests that are booted without any: text mode, its colours, its font.

The registers hold text mode from the beginning (devices/display/vga_ports.py).
"""

from __future__ import annotations

from devices.display.text_picture import GLYPH_STEP
from devices.display.vga import Vga
from vmdbg.machine.pc import Pc

GLYPH_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
"""Of the font of 8 by 16 that every VGA has; which finds it in a ROM."""
GLYPH_SIZE, GLYPHS = 16, 256
CELLS, EMPTY = 0x4000, b" \x07"
"""Characters of text memory, and what is in each."""


def set_up_display(pc: Pc) -> None:
    """The machine has not run yet."""
    vga = pc.devices.get(Vga.name)
    if not isinstance(vga, Vga):
        return
    memory = bytearray(4 * CELLS)
    memory[0::4], memory[1::4] = EMPTY[:1] * CELLS, EMPTY[1:] * CELLS
    font = font_of(pc.config.option_rom)
    memory[2 : 4 * len(font) : 4] = font
    vga.memory.write(0, bytes(memory))
    vga.registers.state.dac[: 3 * 64] = [component for index in range(64) for component in colour_of(index)]


def font_of(rom: bytes) -> bytes:
    """As it lies in plane 2, 32 bytes a character; all empty where the ROM has none."""
    at = rom.find(GLYPH_A) - GLYPH_SIZE * ord("A")
    glyphs = rom[at : at + GLYPH_SIZE * GLYPHS] if at >= 0 else b""
    rows = [glyphs[n : n + GLYPH_SIZE].ljust(GLYPH_STEP, b"\0") for n in range(0, GLYPH_SIZE * GLYPHS, GLYPH_SIZE)]
    return b"".join(rows)


def colour_of(index: int) -> tuple[int, int, int]:
    """An EGA colour, rgbRGB, as the DAC has it."""
    red, green, blue = (0x2A * (index >> bit & 1) + 0x15 * (index >> bit + 3 & 1) for bit in (2, 1, 0))
    return red, green, blue
