"""A picture, as rows of red, green and blue bytes from the top left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """`rgb` has 3 bytes a pixel, 3 * width * height of them. Two are equal when they look the same."""

    width: int
    height: int
    rgb: bytes

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        at = 3 * (y * self.width + x)
        red, green, blue = self.rgb[at : at + 3]
        return red, green, blue

    def row(self, y: int) -> bytes:
        """3 bytes a pixel."""
        return self.rgb[3 * y * self.width : 3 * (y + 1) * self.width]


def blank(width: int, height: int) -> Frame:
    """All black."""
    return Frame(width, height, bytes(3 * width * height))
