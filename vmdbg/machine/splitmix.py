"""SplitMix64: numbers that look drawn, from a state of 64 bits that anybody can keep and go on from.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 15.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1


def draw(state: int) -> tuple[int, int]:
    """The next number, of 64 bits, and the state after it."""
    state = state + 0x9E37_79B9_7F4A_7C15 & _MASK
    mixed = (state ^ state >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _MASK
    return mixed ^ mixed >> 31, state


def below(state: int, bound: int) -> tuple[int, int]:
    """A number from 0 to `bound` - 1, and the state after it."""
    number, state = draw(state)
    return number * bound >> 64, state
