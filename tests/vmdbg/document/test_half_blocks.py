"""Pictures in terminals."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from vmdbg.document.document import Picture
from vmdbg.document.half_blocks import Colours, half_blocks
from vmdbg.document.terminal_graphics import Graphics, drawn, graphics_of

RED, BLUE = b"\xff\0\0", b"\0\0\xff"
FLAG = Picture(4, 4, RED * 8 + BLUE * 8)


def test_a_half_block_has_two_dots() -> None:
    lines = half_blocks(FLAG, 80, 24, Colours.TRUE)
    assert lines == [
        "\x1b[38;2;255;0;0;48;2;255;0;0m▀▀▀▀\x1b[0m",
        "\x1b[38;2;0;0;255;48;2;0;0;255m▀▀▀▀\x1b[0m",
    ]
    assert half_blocks(FLAG, 80, 24, Colours.CUBE)[0] == "\x1b[38;5;196;48;5;196m▀▀▀▀\x1b[0m"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (10, 24), (80, 3), (1, 1)])
def test_it_fits_and_keeps_its_proportions(columns: int, rows: int) -> None:
    lines = half_blocks(Picture(640, 400, bytes(3 * 640 * 400)), columns, rows, Colours.TRUE)
    width = {len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines}
    assert len(width) == 1
    assert max(width) <= columns
    assert len(lines) <= rows
    if columns >= 10 and rows >= 3:
        assert abs(max(width) / (2 * len(lines)) - 1.6) < 0.6


def test_what_terminals_say_of_themselves() -> None:
    assert graphics_of({"TERM": "xterm-kitty"}) is Graphics.KITTY
    assert graphics_of({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}) is Graphics.KITTY
    assert graphics_of({"TERM": "foot"}) is Graphics.SIXEL
    assert graphics_of({"TERM": "xterm-256color"}) is None
    assert graphics_of({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm", "TMUX": "/tmp/x"}) is None


def test_kittys_protocol_has_the_picture() -> None:
    rgb = bytes(n * 7 % 251 for n in range(3 * 200 * 100))
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b", drawn(Picture(200, 100, rgb), Graphics.KITTY))
    assert [keys.split("m=")[1] for keys, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    image = Image.open(io.BytesIO(base64.b64decode("".join(part for _, part in parts))))
    assert (image.size, image.tobytes()) == ((200, 100), rgb)


def test_sixels_have_the_picture() -> None:
    colours = [bytes((n * 16, 255 - n * 16, n * 5)) for n in range(15)]
    rgb = b"".join(colours[(x // 3 + y) % 15] for y in range(20) for x in range(31))
    sent = drawn(Picture(31, 20, rgb), Graphics.SIXEL)
    dots, palette = _sixels(sent)
    assert len(dots) == 31 * 20
    for (x, y), colour in dots.items():
        at = 3 * (y * 31 + x)
        wanted = [part * 100 // 255 for part in rgb[at : at + 3]]
        assert all(abs(one - other) <= 1 for one, other in zip(palette[colour], wanted, strict=True)), (x, y)


def _sixels(sent: str) -> tuple[dict[tuple[int, int], int], dict[int, list[int]]]:
    """Which dot has which colour, and the colours: a terminal of a few lines."""
    assert sent.startswith('\x1bPq"1;1;31;20')
    palette: dict[int, list[int]] = {}
    dots: dict[tuple[int, int], int] = {}
    x = top = colour = 0
    for number, set_to, run, letter, control in re.findall(
        r"#(\d+)(;2;[\d;]+)?|(?:!(\d+))?([?-~])|([$-])", sent[len('\x1bPq"1;1;31;20') : -2]
    ):
        if number:
            colour = int(number)
            if set_to:
                palette[colour] = [int(part) for part in set_to.split(";")[2:]]
        elif letter:
            for _ in range(int(run or 1)):
                for n in range(6):
                    if ord(letter) - 0x3F >> n & 1:
                        assert (x, top + n) not in dots
                        dots[x, top + n] = colour
                x += 1
        else:
            x, top = 0, top + (6 if control == "-" else 0)
    return dots, palette
