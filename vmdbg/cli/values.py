"""Option values: text from the command line to what it means. All raise UserError with what is wrong and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from vmdbg.errors import UserError
from vmdbg.units import scaled_ticks

_SIZE = re.compile(r"(\d+)([KMG])(?:iB|B)?", re.IGNORECASE)
_TICK = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)([kmg])", re.IGNORECASE)
_SHIFTS = {"K": 10, "M": 20, "G": 30}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.?)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "b": "\b", "0": "\0", "\\": "\\"}
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""What an RTC with a century register and a Linux kernel can both tell."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can come."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixPath:
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


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
        value = int(text, 0)
    except ValueError:
        raise UserError(f"{text!r} is no number: give a decimal one, or hexadecimal as 0x100000") from None
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


def tcp_address(text: str) -> TcpAddress:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; the loopback if there is no host. Port 0 takes a free one."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UserError(f"{text!r} is no address: write an IPv6 address in brackets, as [::1]:1234")
    if not port.isdecimal() or int(port) > 0xFFFF:
        raise UserError(f"{text!r} is no address: give [HOST:]PORT, with a port from 0 to 65535")
    return TcpAddress(host or LOOPBACK, int(port))


def listen_address(text: str) -> TcpAddress | UnixPath:
    """`[HOST:]PORT` or `unix:PATH`."""
    return unix_path(text) if text.startswith("unix:") else tcp_address(text.removeprefix("tcp:"))


def unix_path(text: str) -> UnixPath:
    path = text.removeprefix("unix:")
    if not path:
        raise UserError("unix: needs the path of a socket, as unix:/tmp/vmdbg.sock")
    return UnixPath(path)
