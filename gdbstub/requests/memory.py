"""m M x X, qSearch:memory, qCRC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.framing import unescape
from gdbstub.requests.parsing import MalformedError, address_length, data, number, pair


@dataclass(frozen=True, slots=True)
class ReadMemory:
    """m addr,length: the answer is hex."""

    address: int
    length: int


@dataclass(frozen=True, slots=True)
class ReadBinary:
    """x addr,length: the answer is binary."""

    address: int
    length: int


@dataclass(frozen=True, slots=True)
class WriteMemory:
    """M and X."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SearchMemory:
    """qSearch:memory:addr;length;pattern. A match lies within the `length` bytes at `address`."""

    address: int
    length: int
    pattern: bytes


@dataclass(frozen=True, slots=True)
class Crc:
    """qCRC:addr,length."""

    address: int
    length: int


MemoryRequest = ReadMemory | ReadBinary | WriteMemory | SearchMemory | Crc


def _write(fields: bytes, decode: Callable[[bytes], bytes], what: str) -> MemoryRequest:
    where, content = pair(fields, b":", what)
    address, length = address_length(where, what)
    payload = decode(content)
    if len(payload) != length:
        raise MalformedError(f"{what}: {len(payload)} bytes given, {length} announced")
    return WriteMemory(address, payload)


def _search(fields: bytes) -> MemoryRequest:
    kind, where = pair(fields, b":", "qSearch")
    if kind != b"memory":
        raise MalformedError("qSearch: only memory can be searched")
    address, rest = pair(where, b";", "qSearch:memory")
    length, pattern = pair(rest, b";", "qSearch:memory")
    if not pattern:
        raise MalformedError("qSearch:memory: empty pattern")
    return SearchMemory(number(address, "qSearch"), number(length, "qSearch"), unescape(pattern))


PARSERS: Mapping[bytes, Callable[[bytes], MemoryRequest]] = {
    b"m": lambda fields: ReadMemory(*address_length(fields, "m")),
    b"x": lambda fields: ReadBinary(*address_length(fields, "x")),
    b"M": lambda fields: _write(fields, lambda content: data(content, "M"), "M"),
    b"X": lambda fields: _write(fields, unescape, "X"),
    b"qSearch": lambda fields: _search(fields.removeprefix(b":")),
    b"qCRC": lambda fields: Crc(*address_length(fields.removeprefix(b":"), "qCRC")),
}
