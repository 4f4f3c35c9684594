"""What a monitor says of itself: an EDID with the modes that the display has, 1280 by 800 being preferred.

Source: VESA Enhanced Extended Display Identification Data 1.4, 3.1 to 3.10.
"""

from __future__ import annotations

from dataclasses import dataclass

_HEADER = bytes.fromhex("00ffffffffffff00")
_CENTIMETRES = (32, 20)
_NAME, _LIMITS = 0xFC, 0xFD


@dataclass(frozen=True, slots=True)
class Timing:
    """Active, blanking, front porch and width of the pulse, of lines and columns; the pixel clock in 10 kHz."""

    clock: int
    columns: tuple[int, int, int, int]
    lines: tuple[int, int, int, int]

    def descriptor(self) -> bytes:
        """3.10.2."""
        active, blank, front, sync = self.columns
        tall, dark, above, pulse = self.lines
        millimetres = [10 * size for size in _CENTIMETRES]
        return self.clock.to_bytes(2, "little") + bytes(
            (
                *(active & 0xFF, blank & 0xFF, active >> 8 << 4 | blank >> 8),
                *(tall & 0xFF, dark & 0xFF, tall >> 8 << 4 | dark >> 8),
                *(front & 0xFF, sync & 0xFF, (above & 0xF) << 4 | pulse & 0xF),
                front >> 8 << 6 | sync >> 8 << 4 | above >> 4 << 2 | pulse >> 4,
                *(millimetres[0] & 0xFF, millimetres[1] & 0xFF, millimetres[0] >> 8 << 4 | millimetres[1] >> 8),
                *(0, 0, 0x18),
            )
        )


PREFERRED = Timing(8350, (1280, 400, 72, 128), (800, 31, 3, 6))
"""CVT, 1280 by 800 at 60 Hz."""
_STANDARD = ((1920, 0xC0), (1600, 0x00), (1280, 0x80), (1024, 0x40), (1280, 0x00), (1152, 0x40))
"""Width, and the aspect ratio's bits, at 60 Hz."""


def edid() -> bytes:
    """128 bytes."""
    standard = b"".join(bytes((width // 8 - 31, aspect)) for width, aspect in _STANDARD)
    body = b"".join(
        (
            _HEADER,
            bytes.fromhex("5a8d"),  # maker VLM
            bytes.fromhex("1111" + "00000000" + "0019" + "0104"),  # product, serial number, 2015, version 1.4
            bytes((0xA5, *_CENTIMETRES, 120, 0x06)),  # digital, 8 bits a colour; gamma 2.2
            bytes.fromhex("ee91a3544c99260f5054"),  # sRGB
            bytes.fromhex("210800"),  # 640x480, 800x600, 1024x768 at 60 Hz
            standard.ljust(16, b"\x01"),
            PREFERRED.descriptor(),
            _text(_NAME, b"vmdbg"),
            bytes((0, 0, 0, _LIMITS, 0, 50, 125, 30, 160, 40, 1)) + b"\n      ",
            bytes((0, 0, 0, 0x10, 0)) + bytes(13),
            b"\0",
        )
    )
    return body + bytes((-sum(body) & 0xFF,))


def _text(tag: int, words: bytes) -> bytes:
    return bytes((0, 0, 0, tag, 0)) + (words + b"\n").ljust(13)
