"""Numbers of some bytes each, the first byte of all of them first: what is alike comes together, and packs well."""

from __future__ import annotations


def split(numbers: bytes, width: int) -> bytes:
    """Of numbers of `width` bytes each, in whatever byte order."""
    return b"".join(numbers[byte::width] for byte in range(width))


def join(planes: bytes, width: int) -> bytes:
    """The numbers again. Raises ValueError if they are not whole."""
    count, rest = divmod(len(planes), width)
    if rest:
        raise ValueError(f"{len(planes)} bytes are no numbers of {width} bytes each")
    numbers = bytearray(len(planes))
    for byte in range(width):
        numbers[byte::width] = planes[byte * count : (byte + 1) * count]
    return bytes(numbers)
