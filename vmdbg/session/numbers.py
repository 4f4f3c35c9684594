"""Numbers that users give as arguments, with their bounds: types for argparse, and checks of values."""

from __future__ import annotations

from argparse import ArgumentTypeError

from vmdbg.errors import UserError

MOST = 1 << 63
LAST_PORT = 0xFFFF


def how_many(text: str) -> int:
    """How many: from 1 on. Raises ArgumentTypeError."""
    return _bounded(text, 1)


def natural(text: str) -> int:
    """A number that is not negative. Raises ArgumentTypeError."""
    return _bounded(text, 0)


def _bounded(text: str, least: int) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no whole number") from None
    if not least <= number < MOST:
        raise ArgumentTypeError(f"{text} is no number from {least} on")
    return number


def port(number: int) -> int:
    """The number if it is that of an I/O port. Raises UserError."""
    if not 0 <= number <= LAST_PORT:
        raise UserError(f"{number:#x} is no port: the last is {LAST_PORT:#x}")
    return number


def fitting(number: int, bits: int, what: str) -> int:
    """The number if it fits `bits`, signed or unsigned. Raises UserError."""
    if not -(1 << bits - 1) <= number < 1 << bits:
        raise UserError(f"{number:#x} is no value of {what}: it does not fit in {bits} bits")
    return number % (1 << bits)
