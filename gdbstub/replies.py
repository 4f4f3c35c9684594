"""Replies as typed values, and their encoding in the form the client understands."""

from __future__ import annotations

import enum
from binascii import hexlify
from dataclasses import dataclass
from typing import assert_never

from gdbstub.framing import escape


class ErrorStyle(enum.Enum):
    """How much of an error a client wants to see."""

    NUMBER = "E01"
    TEXT = "E.text, offered with error-message+"
    LLDB = "E01;hex, asked for with QEnableErrorStrings"


@dataclass(frozen=True, slots=True)
class Empty:
    """Not supported."""


@dataclass(frozen=True, slots=True)
class Ok:
    """Done."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error: `errno` for clients that take numbers, `text` for the others."""

    text: str
    errno: int = 1


@dataclass(frozen=True, slots=True)
class Hex:
    """Bytes as pairs of hex digits."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """Plain characters, none of them special."""

    text: str


@dataclass(frozen=True, slots=True)
class Binary:
    """`prefix`, then escaped bytes."""

    data: bytes
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class Later:
    """No reply now: a stop reply will come, or none is due."""


Reply = Empty | Ok | Failure | Hex | Text | Binary | Later


def encode(reply: Reply, style: ErrorStyle) -> bytes | None:
    """The payload, or None when nothing is to be sent."""
    match reply:
        case Hex(data):
            return hexlify(data)
        case Later():
            return None
        case Binary(data, prefix):
            return prefix + escape(data)
        case Text(text):
            return text.encode("ascii", "backslashreplace")
        case Ok():
            return b"OK"
        case Empty():
            return b""
        case Failure():
            return _failure(reply, style)
    assert_never(reply)


_PLAIN = bytes.maketrans(b"#$*}\n", b"____ ")
"""Error text is neither escaped nor hex, so what frames and runs are made of must not be in it."""


def _failure(reply: Failure, style: ErrorStyle) -> bytes:
    errno = b"E%02x" % (reply.errno & 0xFF)
    if style is ErrorStyle.TEXT:
        return b"E." + reply.text.encode("ascii", "backslashreplace").translate(_PLAIN)
    if style is ErrorStyle.LLDB:
        return errno + b";" + reply.text.encode().hex().encode()
    return errno
