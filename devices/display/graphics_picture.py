"""Pixels as a picture: planes, CGA's pairs of bits, 256 colours, and the direct colours of VBE modes.

Each function makes a row of red, green and blue bytes of a row of memory. Six-bit colours become eight bits as QEMU
has them, the lowest bit repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Row = Callable[[bytes], bytes]
Palette = Sequence[bytes]
"""Colours, of red, green and blue."""


def six_bits(value: int) -> int:
    """A component of the DAC in eight bits."""
    value &= 0x3F
    return value << 2 | (value & 1) * 3


def palette_of(dac: Sequence[int], *, wide: bool) -> list[bytes]:
    """256 colours of a DAC's components."""
    components = bytes(dac) if wide else bytes(map(six_bits, dac))
    return [components[3 * n : 3 * n + 3] for n in range(256)]


def indexed(palette: Palette, each: int = 1) -> Row:
    """A byte a pixel, each of them drawn so many times; of values beyond the palette there are none."""
    tables = [bytes(colour[part] for colour in palette).ljust(256, b"\0") for part in range(3)]

    def row(data: bytes) -> bytes:
        made = bytearray(3 * len(data) * each)
        for part, table in enumerate(tables):
            plane = data.translate(table)
            for n in range(each):
                made[3 * n + part :: 3 * each] = plane
        return bytes(made)

    return row


def planar(palette: Palette, enabled: int, each: int = 1) -> Row:
    """Four planes, a byte of each in a doubleword: 8 pixels."""
    parts = [_spread(plane) if enabled >> plane & 1 else None for plane in range(4)]
    draw = indexed(palette, each)

    def row(data: bytes) -> bytes:
        total = 0
        for plane, table in enumerate(parts):
            if table is not None:
                pixels = b"".join(map(table.__getitem__, data[plane::4]))
                total |= int.from_bytes(pixels, "little")
        return draw(total.to_bytes(2 * len(data), "little"))

    return row


def pairs(palette: Palette, enabled: int, each: int = 1) -> Row:
    """CGA's: two bits a pixel, four pixels of planes 0 and 2, then four of planes 1 and 3."""
    low, high = _pairs(1), _pairs(4)
    draw = indexed(palette, each)

    def row(data: bytes) -> bytes:
        made = []
        for at in range(0, len(data) - 3, 4):
            planes = [data[at + n] if enabled >> n & 1 else 0 for n in range(4)]
            for first in (0, 1):
                both = zip(low[planes[first]], high[planes[first + 2]], strict=True)
                made.append(bytes(one | other for one, other in both))
        return draw(b"".join(made))

    return row


def direct(depth: int) -> Row:
    """15, 16, 24 or 32 bits a pixel, blue in the lowest."""
    return {15: _row_15, 16: _row_16, 24: _row_24, 32: _row_32}[depth]


def _spread(plane: int) -> list[bytes]:
    return [bytes((value >> (7 - bit) & 1) << plane for bit in range(8)) for value in range(256)]


def _pairs(weight: int) -> list[bytes]:
    return [bytes((value >> (6 - 2 * n) & 3) * weight for n in range(4)) for value in range(256)]


def _row_32(data: bytes) -> bytes:
    return _woven(data[2::4], data[1::4], data[0::4])


def _row_24(data: bytes) -> bytes:
    return _woven(data[2::3], data[1::3], data[0::3])


def _woven(red: bytes, green: bytes, blue: bytes) -> bytes:
    made = bytearray(3 * len(red))
    made[0::3], made[1::3], made[2::3] = red, green, blue
    return bytes(made)


def _five(value: int) -> int:
    return value << 3 | value >> 2


def _six(value: int) -> int:
    return value << 2 | value >> 4


_RED_16 = bytes(_five(high >> 3) for high in range(256))
_RED_15 = bytes(_five(high >> 2 & 0x1F) for high in range(256))
_BLUE = bytes(_five(low & 0x1F) for low in range(256))
_GREEN_16_HIGH = bytes(_six((high & 7) << 3) for high in range(256))
_GREEN_16_LOW = bytes(_six(low >> 5) for low in range(256))
_GREEN_15_HIGH = bytes(_five((high & 3) << 3) for high in range(256))
_GREEN_15_LOW = bytes(_five(low >> 5) for low in range(256))


def _row_16(data: bytes) -> bytes:
    low, high = data[0::2], data[1::2]
    green = _or(high.translate(_GREEN_16_HIGH), low.translate(_GREEN_16_LOW))
    return _woven(high.translate(_RED_16), green, low.translate(_BLUE))


def _row_15(data: bytes) -> bytes:
    low, high = data[0::2], data[1::2]
    green = _or(high.translate(_GREEN_15_HIGH), low.translate(_GREEN_15_LOW))
    return _woven(high.translate(_RED_15), green, low.translate(_BLUE))


def _or(one: bytes, other: bytes) -> bytes:
    """Bit replication of the two halves of a component, of which each sets other bits, or the same."""
    return (int.from_bytes(one, "little") | int.from_bytes(other, "little")).to_bytes(len(one), "little")
