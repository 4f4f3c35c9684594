"""Answers to m M x X, qSearch:memory and qCRC."""

from __future__ import annotations

import zlib
from typing import assert_never

from gdbstub.errors import MemoryAccessError, TargetError
from gdbstub.replies import Binary, Hex, Ok, Reply, Text
from gdbstub.requests.memory import Crc, MemoryRequest, ReadBinary, ReadMemory, SearchMemory, WriteMemory
from gdbstub.session.context import Context
from gdbstub.stops import ThreadId

CHUNK = 0x10000
MAX_SCAN = 1 << 30
"""Bytes that one qCRC may cover, or a qSearch without the target's own search: it holds up everything else."""

_TOP = 1 << 64


def answer(context: Context, request: MemoryRequest) -> Reply:
    match request:
        case ReadMemory(address, length):
            return Hex(_read(context, address, min(length, context.framing.packet_size // 2)))
        case ReadBinary():
            return _read_binary(context, request)
        case WriteMemory(address, data):
            if context.trace.frame is not None:
                raise TargetError("this is a trace frame, which cannot be changed: `tfind none` leaves it")
            if data:
                context.memory.write(context.thread(), address, data)
            return Ok()
        case SearchMemory():
            return _search(context, request)
        case Crc():
            return _crc(context, request)
    assert_never(request)


def _read(context: Context, address: int, length: int) -> bytes:
    """A readable prefix of [address, address + length), which ends at the top of the address space."""
    length = min(length, _TOP - address)
    if length == 0:
        return b""
    if context.trace.frame is not None:
        data = context.trace.frame.read(address, length)
        if not data:
            raise MemoryAccessError(address, "not collected in this trace frame")
        return data
    return context.memory.read(context.thread(), address, length)


def _read_binary(context: Context, request: ReadBinary) -> Reply:
    """GDB wants a b before the data, and so does LLDB since 20; older LLDBs ask with x0,0 and want none."""
    if context.lldb and request.length == 0:
        context.bare_binary = True
        return Ok()
    limit = context.framing.packet_size - 1
    data = _read(context, request.address, min(request.length, limit))
    reply = Binary(data, b"" if context.bare_binary else b"b")
    special = sum(map(data.count, (b"}", b"$", b"#", b"*")))
    if len(data) + special > limit:
        return Binary(data[: limit // 2], reply.prefix)
    return reply


def _search(context: Context, request: SearchMemory) -> Reply:
    thread = context.thread()
    port = context.target.physical_search if context.physical else context.target.search
    if port is not None:
        found = port.search(thread, request.address, request.length, request.pattern, context.check)
    else:
        _limit(request.length, "qSearch:memory")
        found = _scan(context, thread, request)
    return Text("0" if found is None else f"1,{found:x}")


def _scan(context: Context, thread: ThreadId, request: SearchMemory) -> int | None:
    """Overlapping chunks, so that a match across two is seen."""
    overlap = len(request.pattern) - 1
    address, end = request.address, min(request.address + request.length, _TOP)
    while address + overlap < end:
        context.check()
        wanted = min(CHUNK + overlap, end - address)
        data = context.memory.read(thread, address, wanted)
        at = data.find(request.pattern)
        if at >= 0:
            return address + at
        if len(data) < wanted:
            raise MemoryAccessError(address + len(data))
        address += wanted - overlap
    return None


def _crc(context: Context, request: Crc) -> Reply:
    _limit(request.length, "qCRC")
    port = context.target.checksum
    thread = context.thread()
    if port is not None and not context.physical:
        return Text(f"C{port.crc32(thread, request.address, request.length, context.check):x}")
    crc, address = Crc32(), request.address
    end = request.address + request.length
    while address < end:
        context.check()
        data = context.memory.read(thread, address, min(CHUNK, end - address)) if address < _TOP else b""
        if not data:
            raise MemoryAccessError(address)
        crc.update(data)
        address += len(data)
    return Text(f"C{crc.value:x}")


def _limit(length: int, what: str) -> None:
    if length > MAX_SCAN:
        raise TargetError(f"{what}: {length:#x} bytes at once; at most {MAX_SCAN:#x} are done")


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Crc32:
    """GDB manual, qCRC: polynomial 04c11db7, most significant bit first, initial value ffffffff.

    zlib's CRC is the same with every byte, and the result, mirrored and inverted.
    """

    def __init__(self) -> None:
        self._mirrored = 0

    def update(self, data: bytes) -> None:
        self._mirrored = zlib.crc32(data.translate(_MIRRORED), self._mirrored)

    @property
    def value(self) -> int:
        return int(f"{self._mirrored ^ 0xFFFFFFFF:032b}"[::-1], 2)
