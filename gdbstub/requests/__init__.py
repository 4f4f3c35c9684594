"""Packets as typed values: one module a feature, `parse` for all. The union is closed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from gdbstub.requests import (
    breakpoints,
    execution,
    general,
    lldb,
    memory,
    qemu,
    registers,
    threads,
    tracing,
    transfer,
)
from gdbstub.requests.parsing import MalformedError, NotKnownError


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of no known name: the answer is empty."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """A known packet with impossible fields: the answer is an error."""

    payload: bytes
    why: str


KnownRequest = (
    registers.RegistersRequest
    | memory.MemoryRequest
    | execution.ExecutionRequest
    | breakpoints.BreakpointsRequest
    | threads.ThreadsRequest
    | tracing.TracingRequest
    | transfer.TransferRequest
    | general.GeneralRequest
    | qemu.QemuRequest
    | lldb.LldbRequest
)
Request = KnownRequest | Unknown | Malformed

_NAME = re.compile(rb"(?:[qQvj][A-Za-z]+(?:\.[A-Za-z]+)?|b[sc]|.)", re.DOTALL)

_PARSERS: Mapping[bytes, Callable[[bytes], KnownRequest]] = {
    **registers.PARSERS,
    **memory.PARSERS,
    **execution.PARSERS,
    **breakpoints.PARSERS,
    **threads.PARSERS,
    **tracing.PARSERS,
    **transfer.PARSERS,
    **general.PARSERS,
    **qemu.PARSERS,
    **lldb.PARSERS,
}


def parse(payload: bytes) -> Request:
    """The request a packet carries. Never raises."""
    return _parse_remembered(payload) if len(payload) <= _SHORT else _parse(payload)


def _parse(payload: bytes) -> Request:
    match = _NAME.match(payload)
    if match is None:
        return Unknown(payload)
    parser = _PARSERS.get(match[0])
    fields = payload[match.end() :]
    if parser is None:
        parser, fields = _by_prefix(payload)
    if parser is None:
        return Unknown(payload)
    try:
        return parser(fields)
    except MalformedError as error:
        return Malformed(payload, str(error))
    except NotKnownError:
        return Unknown(payload)


def _by_prefix(payload: bytes) -> tuple[Callable[[bytes], KnownRequest] | None, bytes]:
    for prefix, parser in lldb.PREFIXES.items():
        if payload.startswith(prefix):
            return parser, payload[len(prefix) :]
    return None, b""


_SHORT = 64
_parse_remembered = lru_cache(maxsize=1024)(_parse)
"""Stepping sends the same few packets for ever, and requests are immutable."""
