"""g G p P."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import ThreadRef, data, number, pair, thread_ref


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """g. `thread` is there only when LLDB's QThreadSuffixSupported is in force."""

    thread: ThreadRef | None = None


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """G data."""

    values: bytes
    thread: ThreadRef | None = None


@dataclass(frozen=True, slots=True)
class ReadRegister:
    """p number."""

    number: int
    thread: ThreadRef | None = None


@dataclass(frozen=True, slots=True)
class WriteRegister:
    """P number=value, the value in target byte order."""

    number: int
    value: bytes
    thread: ThreadRef | None = None


RegistersRequest = ReadRegisters | WriteRegisters | ReadRegister | WriteRegister


def _suffix(fields: bytes) -> tuple[bytes, ThreadRef | None]:
    """Split off LLDB's ;thread:TID; ending."""
    fields, found, suffix = fields.partition(b";thread:")
    return fields.rstrip(b";"), thread_ref(suffix.rstrip(b";")) if found else None


def _read_all(fields: bytes) -> RegistersRequest:
    return ReadRegisters(_suffix(fields)[1])


def _write_all(fields: bytes) -> RegistersRequest:
    values, thread = _suffix(fields)
    return WriteRegisters(data(values, "G"), thread)


def _read(fields: bytes) -> RegistersRequest:
    register, thread = _suffix(fields)
    return ReadRegister(number(register, "p"), thread)


def _write(fields: bytes) -> RegistersRequest:
    assignment, thread = _suffix(fields)
    register, value = pair(assignment, b"=", "P")
    return WriteRegister(number(register, "P"), data(value, "P"), thread)


PARSERS: Mapping[bytes, Callable[[bytes], RegistersRequest]] = {
    b"g": _read_all,
    b"G": _write_all,
    b"p": _read,
    b"P": _write,
}
