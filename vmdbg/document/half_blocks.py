"""Pictures as lines of a terminal: a half block shows two dots, one above the other."""

from __future__ import annotations

import enum

from vmdbg.document.document import Dots

RESET = "\x1b[0m"
_UPPER = "\N{UPPER HALF BLOCK}"
_STEPS = (0, 95, 135, 175, 215, 255)
_NEAREST = [min(range(6), key=lambda n: abs(_STEPS[n] - value)) for value in range(256)]


class Colours(enum.Enum):
    """What a terminal can show."""

    TRUE = 24
    CUBE = 8


def half_blocks(picture: Dots, columns: int, rows: int, colours: Colours) -> list[str]:
    """Lines of at most so many columns and rows, in the picture's proportions and never larger than it."""
    from PIL import Image  # whoever shows no picture need not wait for it

    scale = min(1.0, columns / picture.width, 2 * rows / picture.height)
    width, height = max(1, int(picture.width * scale)), max(2, int(picture.height * scale) & ~1)
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    dots = image.resize((width, height), Image.Resampling.BOX).tobytes()
    step = 3 * width
    return [
        _line(dots[at : at + step], dots[at + step : at + 2 * step], colours) for at in range(0, len(dots), 2 * step)
    ]


def _line(upper: bytes, lower: bytes, colours: Colours) -> str:
    made, before = [], None
    for at in range(0, len(upper), 3):
        pair = upper[at : at + 3], lower[at : at + 3]
        if pair != before:
            made.append(_escape(*pair, colours))
            before = pair
        made.append(_UPPER)
    return "".join(made) + RESET


def _escape(upper: bytes, lower: bytes, colours: Colours) -> str:
    if colours is Colours.TRUE:
        before, behind = (";".join(map(str, colour)) for colour in (upper, lower))
        return f"\x1b[38;2;{before};48;2;{behind}m"
    return f"\x1b[38;5;{_in_cube(upper)};48;5;{_in_cube(lower)}m"


def _in_cube(colour: bytes) -> int:
    """The nearest of xterm's 6 by 6 by 6 colours."""
    red, green, blue = (_NEAREST[part] for part in colour)
    return 16 + 36 * red + 6 * green + blue
