"""Names of a few hosts. Source: RFC 1035, 4.1."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from devices.network.quiet.packets import Address, address_text

PORT = 53
_HEAD = struct.Struct("!HHHHHH")
_RESPONSE, _AUTHORITATIVE, _RECURSION = 0x8000, 0x0400, 0x0180
"""The last: wanted, of which the answer has the first bit, and there."""
_OPCODE, _WANTED = 0x7800, 0x0100
OK, FORMAT_ERROR, NO_NAME, NOT_BUILT = 0, 1, 3, 4
A, PTR, ANY, INTERNET = 1, 12, 255, 1
TTL = 3600
MOST_LABELS = 127
_REVERSE = ".in-addr.arpa"


@dataclass(frozen=True, slots=True)
class Query:
    """`raw` is the question as it came."""

    name: str
    type: int
    raw: bytes


def answer(data: bytes, names: Mapping[str, Address]) -> bytes | None:
    """The reply to a query; None for what is none. `names` are lower case."""
    if len(data) < _HEAD.size:
        return None
    number, flags, questions, *_ = _HEAD.unpack_from(data)
    if flags & _RESPONSE:
        return None
    kept = _RESPONSE | flags & (_OPCODE | _WANTED)
    if flags & _OPCODE:
        return _HEAD.pack(number, kept | NOT_BUILT, 0, 0, 0, 0)
    query = _query(data) if questions == 1 else None
    if query is None:
        return _HEAD.pack(number, kept | FORMAT_ERROR, 0, 0, 0, 0)
    records = _records(query, names)
    code = NO_NAME if records is None else OK
    answers = records or []
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, INTERNET, TTL, len(one)) + one for kind, one in answers)
    return _HEAD.pack(number, kept | _AUTHORITATIVE | 0x80 | code, 1, len(answers), 0, 0) + query.raw + body


def _query(data: bytes) -> Query | None:
    labels, at = list[str](), _HEAD.size
    while at < len(data) and data[at]:
        size = data[at]
        label = data[at + 1 : at + 1 + size]
        if size > 63 or len(label) != size or len(labels) >= MOST_LABELS:
            return None
        labels.append(label.decode("latin-1").lower())
        at += 1 + size
    end = at + 5
    if end > len(data):
        return None
    kind, place = struct.unpack_from("!HH", data, at + 1)
    return Query(".".join(labels), kind, data[_HEAD.size : end]) if place == INTERNET else None


def _records(query: Query, names: Mapping[str, Address]) -> list[tuple[int, bytes]] | None:
    """Type and data of each that is there; None for a name that is not."""
    if query.name.endswith(_REVERSE):
        wanted = ".".join(reversed(query.name.removesuffix(_REVERSE).split(".")))
        found = sorted(name for name, one in names.items() if address_text(one) == wanted)
        if not found:
            return None
        return [(PTR, _name(found[0]))] if query.type in (PTR, ANY) else []
    one = names.get(query.name)
    if one is None:
        return None
    return [(A, one)] if query.type in (A, ANY) else []


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in text.split(".")) + b"\0"
