"""What reaches the mouse from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BUTTONS: Final = ("left", "right", "middle", "side", "extra")
"""By bit; the last two are Linux' names of the fourth and fifth."""
FARTHEST: Final = 32_767
MOST_NOTCHES: Final = 1000


@dataclass(frozen=True, slots=True)
class MouseInput:
    """It moves by `dx` counts to the right and `dy` down, its wheel by `wheel` notches up; buttons go up and down.

    `release` and `press` are bits of BUTTONS, in this order.
    """

    dx: int = 0
    dy: int = 0
    wheel: int = 0
    press: int = 0
    release: int = 0

    def __post_init__(self) -> None:
        if not (-FARTHEST <= self.dx <= FARTHEST and -FARTHEST <= self.dy <= FARTHEST):
            raise ValueError(f"a mouse moves by {FARTHEST} counts at most, not by {self.dx}, {self.dy}")
        if not -MOST_NOTCHES <= self.wheel <= MOST_NOTCHES:
            raise ValueError(f"a wheel turns by {MOST_NOTCHES} notches at most, not by {self.wheel}")
        if not (0 <= self.press < 1 << len(BUTTONS) and 0 <= self.release < 1 << len(BUTTONS)):
            raise ValueError(f"a mouse has {len(BUTTONS)} buttons")

    @property
    def device(self) -> str:
        return "i8042"
