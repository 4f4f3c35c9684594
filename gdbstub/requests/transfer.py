"""qXfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import MalformedError, address_length, shown


@dataclass(frozen=True, slots=True)
class ReadObject:
    """qXfer:object:read:annex:offset,length"""

    object: str
    annex: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class WriteObject:
    """qXfer:object:write:annex:offset:data"""

    object: str


TransferRequest = ReadObject | WriteObject


def _transfer(fields: bytes) -> TransferRequest:
    parts = fields.removeprefix(b":").decode("ascii", "replace").split(":")
    if len(parts) >= 2 and parts[1] == "write":
        return WriteObject(parts[0])
    if len(parts) != 4 or parts[1] != "read":
        raise MalformedError(f"qXfer: {shown(fields)} is not object:read:annex:offset,length")
    return ReadObject(parts[0], parts[2], *address_length(parts[3].encode(), "qXfer"))


PARSERS: Mapping[bytes, Callable[[bytes], TransferRequest]] = {b"qXfer": _transfer}
