"""Pictures in terminals that can show them whole: kitty's graphics protocol, and sixels where they are known.

Source: kitty, graphics protocol; DEC VT330/340 Programmer Reference Manual, volume 2, chapter 14.
"""

from __future__ import annotations

import base64
import enum
import io
from collections.abc import Mapping

from vmdbg.document.document import Dots

_CHUNK = 4096
_COLOURS = 256


class Graphics(enum.Enum):
    KITTY = "kitty"
    SIXEL = "sixel"


def graphics_of(environment: Mapping[str, str]) -> Graphics | None:
    """What the terminal says of itself that it can show; None inside of what would not pass it on, or if unknown."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "").lower()
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return None
    if environment.get("KITTY_WINDOW_ID") or "kitty" in term or program in ("wezterm", "ghostty"):
        return Graphics.KITTY
    return Graphics.SIXEL if term.startswith(("foot", "mlterm", "contour")) or "sixel" in term else None


def drawn(picture: Dots, graphics: Graphics) -> str:
    """What draws it at the cursor."""
    match graphics:
        case Graphics.KITTY:
            return _kitty(picture)
        case Graphics.SIXEL:
            return _sixels(picture)


def png(picture: Dots) -> bytes:
    """A file."""
    from PIL import Image  # whoever shows no picture need not wait for it

    data = io.BytesIO()
    Image.frombytes("RGB", (picture.width, picture.height), picture.rgb).save(data, "PNG")
    return data.getvalue()


def _kitty(picture: Dots) -> str:
    data = base64.b64encode(png(picture)).decode()
    parts = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    keys = ["a=T,f=100,q=2," if number == 0 else "" for number in range(len(parts))]
    more = [int(number + 1 < len(parts)) for number in range(len(parts))]
    return "".join(f"\x1b_G{key}m={after};{part}\x1b\\" for key, after, part in zip(keys, more, parts, strict=True))


def _sixels(picture: Dots) -> str:
    from PIL import Image

    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb).quantize(_COLOURS)
    palette, dots = image.getpalette() or [], image.tobytes()
    names = [
        f"#{n};2;" + ";".join(str(part * 100 // 255) for part in palette[3 * n : 3 * n + 3])
        for n in range(len(palette) // 3)
    ]
    bands = [_band(dots, picture.width, y) for y in range(0, picture.height, 6)]
    return f'\x1bPq"1;1;{picture.width};{picture.height}' + "".join(names) + "-".join(bands) + "\x1b\\"


def _band(dots: bytes, width: int, top: int) -> str:
    """Six rows, a colour at a time."""
    rows = [dots[(top + n) * width : (top + n + 1) * width] for n in range(6)]
    made = []
    for colour in sorted(set(b"".join(rows))):
        bits = bytearray(width)
        for n, row in enumerate(rows):
            for x, dot in enumerate(row):
                if dot == colour:
                    bits[x] |= 1 << n
        made.append(f"#{colour}{_runs(bits)}")
    return "$".join(made)


def _runs(bits: bytes | bytearray) -> str:
    """Repeated ones as !COUNT."""
    made, at = [], 0
    while at < len(bits):
        end = at
        while end < len(bits) and bits[end] == bits[at]:
            end += 1
        letter = chr(0x3F + bits[at])
        made.append(f"!{end - at}{letter}" if end - at > 3 else letter * (end - at))
        at = end
    return "".join(made)
