"""The fields of a packet: hex numbers, hex data, thread ids. Whatever is wrong raises MalformedError."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Request = TypeVar("Request")

_HEX = re.compile(rb"[0-9a-fA-F]{1,16}")


class MalformedError(ValueError):
    """A known packet whose fields make no sense."""


class NotKnownError(ValueError):
    """A kind of packet that is not known, which only its fields show: the answer is empty."""


@dataclass(frozen=True, slots=True)
class ThreadRef:
    """A thread-id (GDB manual, Packets): -1 is all, 0 is any; `process` is None when there was no p part."""

    thread: int
    process: int | None = None


ALL = -1
ANY = 0


def number(field: bytes, what: str) -> int:
    """Up to 16 hex digits."""
    if _HEX.fullmatch(field) is None:
        raise MalformedError(f"{what}: {shown(field)} is not a hex number of at most 64 bits")
    return int(field, 16)


def data(field: bytes, what: str) -> bytes:
    """Pairs of hex digits."""
    try:
        return bytes.fromhex(field.decode("ascii"))
    except ValueError:
        raise MalformedError(f"{what}: {shown(field)} is not pairs of hex digits") from None


def text(field: bytes, what: str) -> str:
    """Hex-encoded UTF-8."""
    return data(field, what).decode("utf-8", "replace")


def pair(fields: bytes, separator: bytes, what: str) -> tuple[bytes, bytes]:
    """The two parts around `separator`."""
    left, found, right = fields.partition(separator)
    if not found:
        raise MalformedError(f"{what}: no {separator.decode()} in {shown(fields)}")
    return left, right


def address_length(fields: bytes, what: str) -> tuple[int, int]:
    """addr,length"""
    address, length = pair(fields, b",", what)
    return number(address, what), number(length, what)


def thread_ref(field: bytes) -> ThreadRef:
    """TID, pPID or pPID.TID."""
    if not field.startswith(b"p"):
        return ThreadRef(_thread_number(field))
    process, dot, thread = field[1:].partition(b".")
    return ThreadRef(_thread_number(thread) if dot else ALL, _thread_number(process))


def _thread_number(field: bytes) -> int:
    return ALL if field == b"-1" else number(field, "thread id")


def flag(field: bytes, what: str) -> bool:
    """0 or 1."""
    if field not in (b"0", b"1"):
        raise MalformedError(f"{what}: {shown(field)} is neither 0 nor 1")
    return field == b"1"


def nothing(field: bytes, what: str) -> None:
    if field:
        raise MalformedError(f"{what}: {shown(field)} was not expected")


def shown(field: bytes) -> str:
    """The field as an error can quote it."""
    return repr(field[:40].decode("ascii", "backslashreplace")) + ("..." if len(field) > 40 else "")


def constant(request: Request, what: str) -> Callable[[bytes], Request]:
    """A parser for a packet without fields."""

    def parse(fields: bytes) -> Request:
        nothing(fields, what)
        return request

    return parse
