"""What users write for sizes, numbers, ticks, dates and text, on the command line and in Python, and what it means.

All raise UserError with what is wrong and what to do.
"""

from __future__ import annotations

import errno
import os
import re
from datetime import UTC, datetime

from vmdbg.errors import UserError
from vmdbg.machine.config import BootOrder, parse_boot_order
from vmdbg.units import scaled_ticks
from vmdbg.x86.topology import Topology, parse_topology

_SIZE = re.compile(r"(\d{1,15})([KMG])(?:iB|B)?", re.IGNORECASE)
_TICK = re.compile(r"([0-9][0-9_]{0,40}(?:\.[0-9]{1,40})?)([kmg])", re.IGNORECASE)
_SHIFTS = {"K": 10, "M": 20, "G": 30}
LONGEST = 100
"""Characters of a number: more than any that means something has."""
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.?)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "b": "\b", "0": "\0", "\\": "\\"}
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""What an RTC with a century register and a Linux kernel can both tell."""


def memory_size(text: str) -> int:
    """Bytes: `256M`, `1G`, `65536K`."""
    found = _SIZE.fullmatch(text)
    if found is None:
        hint = f"{text}M" if text.isdecimal() else "256M"
        raise UserError(f"{text!r} is no size of memory: give a number with K, M or G, as {hint}")
    return int(found[1]) << _SHIFTS[found[2].upper()]


def number(text: str) -> int:
    """A number that is not negative: decimal, or 0x, 0o, 0b; underscores may part digits."""
    try:
        value = int(text, 0) if len(text) <= LONGEST else None
    except ValueError:
        value = None
    if value is None:
        raise UserError(f"{text!r} is no number: give a decimal one, or hexadecimal as 0x100000")
    if value < 0:
        raise UserError(f"{text} is negative")
    return value


def tick(text: str) -> int:
    """`1200`, `0x4b0`, `4.5G`, `20m`: as goto and --to take them."""
    found = _TICK.fullmatch(text)
    if found is not None:
        return scaled_ticks(found[1], found[2])
    try:
        return number(text)
    except UserError:
        raise UserError(f"{text!r} is no tick: give a number, or one with k, m or G, as 4.5G") from None


def readable_file(text: str) -> str:
    """The path of a file that can be read, as far as that can be told without opening it."""
    if os.path.isdir(text):
        raise UserError(f"{text} is a directory: name a file in it")
    if not os.access(text, os.R_OK):
        reason = errno.EACCES if os.path.lexists(text) else errno.ENOENT
        raise UserError(f"cannot read {text}: {os.strerror(reason)}")
    return text


def typed_text(text: str) -> bytes:
    r"""What to type: `\n`, `\r`, `\t`, `\e`, `\b`, `\0`, `\xHH` and `\\` are understood; the rest is UTF-8."""

    def replace(found: re.Match[str]) -> str:
        escape = found[1]
        if escape.startswith("x") and len(escape) == 3:
            return chr(0xDC00 + int(escape[1:], 16)) if int(escape[1:], 16) > 0x7F else chr(int(escape[1:], 16))
        if escape not in _ESCAPES:
            raise UserError(rf"unknown escape \{escape} in {text!r}: there are \n \r \t \e \b \0 \xHH and \\")
        return _ESCAPES[escape]

    return _ESCAPE.sub(replace, text).encode("utf-8", "surrogateescape")


def searched_text(text: str) -> bytes:
    """What to look for; never empty."""
    if not text:
        raise UserError("--until needs a text to look for")
    return typed_text(text)


def cpus(text: str) -> Topology:
    """`4`, `8,sockets=2,cores=2,threads=2`."""
    try:
        return parse_topology(text)
    except ValueError as error:
        raise UserError(f"--cpus: {error}") from None


def boot_order(text: str) -> BootOrder:
    try:
        return parse_boot_order(text)
    except ValueError as error:
        raise UserError(f"--boot: {error}") from None


def start_date(text: str) -> int:
    """Seconds since 1970 of an ISO 8601 date; UTC unless it names another zone; `now` is the host's."""
    if text == "now":
        return int(datetime.now(UTC).timestamp())
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no date: give it as 2026-01-31 or 2026-01-31T12:00:00, or `now`") from None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    if not _FIRST <= date < _END:
        raise UserError(f"the clock of a PC tells years {_FIRST.year} to {_END.year - 1}, not {text}")
    return int(date.timestamp())
