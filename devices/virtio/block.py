"""virtio-blk: a disk. Source: virtio 1.2, 5.2."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import ClassVar

from devices.disk import timing
from devices.disk.medium import SECTOR
from devices.disk.requests import Operation
from devices.disk.unit import DiskUnit
from devices.fitting import Slot
from devices.seam import BusMaster, Rows
from devices.virtio.chain import Chain, RingError
from devices.virtio.personality import Kind
from devices.virtio.transport import Transport, TransportState

DEVICE = 2
QUEUE = 256
SIZE_MAX, SEG_MAX = 1 << 16, QUEUE - 2
MOST_DATA = SIZE_MAX * SEG_MAX
"""Bytes of one request, which is what a driver that keeps to the limits can ask for."""
HEADER = struct.Struct("<IIQ")
RANGE = struct.Struct("<QII")
MOST_ZEROES = 8192
"""Sectors of one request to write zeroes."""
MOST_DISCARDED = 1 << 22
MAY_UNMAP = 1
ID_SIZE = 20
GEOMETRY_HEADS, GEOMETRY_SECTORS = 16, 63


class Feature(enum.IntFlag):
    SIZE_MAX = 1 << 1
    SEG_MAX = 1 << 2
    GEOMETRY = 1 << 4
    READ_ONLY = 1 << 5
    BLOCK_SIZE = 1 << 6
    FLUSH = 1 << 9
    TOPOLOGY = 1 << 10
    DISCARD = 1 << 13
    WRITE_ZEROES = 1 << 14


class Type(enum.IntEnum):
    IN = 0
    OUT = 1
    FLUSH = 4
    GET_ID = 8
    DISCARD = 11
    WRITE_ZEROES = 13


class Answer(enum.IntEnum):
    OK = 0
    FAILED = 1
    UNSUPPORTED = 2


@dataclass(frozen=True, slots=True)
class Request:
    """`size`: bytes of data in it, header and status aside."""

    type: int
    sector: int
    size: int

    @property
    def words(self) -> str:
        name = Type(self.type).name.lower().replace("_", " ") if self.type in list(Type) else f"request {self.type}"
        return f"{name} of sector {self.sector}"


@dataclass(slots=True)
class VirtioBlockState:
    transport: TransportState


class VirtioBlock:
    """`unit` is what is in it. Requests of the queue are done one after the other, in their order."""

    title = "virtio disk"
    State: ClassVar[type[VirtioBlockState]] = VirtioBlockState

    def __init__(self, slot: Slot, unit: DiskUnit) -> None:
        self.name = slot.name
        self._unit = unit
        features = Feature.SIZE_MAX | Feature.SEG_MAX | Feature.GEOMETRY | Feature.BLOCK_SIZE | Feature.FLUSH
        features |= Feature.READ_ONLY if unit.read_only else Feature.DISCARD | Feature.WRITE_ZEROES
        self.kind = Kind(DEVICE, 0x010000, (QUEUE,), features | Feature.TOPOLOGY)
        self._transport = Transport(slot, self)
        self.function = self._transport.function

    def config(self) -> bytes:
        """5.2.4. There is one queue; caches are written through where the medium's flush() says so."""
        sectors = self._unit.sectors
        cylinders = min(sectors // (GEOMETRY_HEADS * GEOMETRY_SECTORS), 0xFFFF)
        return struct.pack(
            "<QIIHBBIBBHIBBHIIIIIB3x",
            sectors, SIZE_MAX, SEG_MAX, cylinders, GEOMETRY_HEADS, GEOMETRY_SECTORS, SECTOR,
            3, 0, 8, 0, 1, 0, 1, MOST_DISCARDED, 1, 8, MOST_ZEROES, 1, MAY_UNMAP,
        )  # fmt: skip

    def write_config(self, offset: int, data: bytes) -> None:
        """Nothing can be written: the cache is not the driver's to choose."""

    def reset(self) -> None:
        """The disk keeps nothing of the driver's."""

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int:
        request = _request(chain, memory)
        match request.type:
            case Type.IN if request.size <= MOST_DATA:
                return timing.reading(request.size)
            case Type.OUT if request.size <= MOST_DATA:
                return timing.writing(request.size)
            case Type.WRITE_ZEROES if request.size == RANGE.size:
                _, sectors, _ = RANGE.unpack(chain.read(memory, HEADER.size, RANGE.size, request.words))
                return timing.writing(min(sectors, MOST_ZEROES) * SECTOR)
            case Type.FLUSH:
                return timing.WRITE_BASE
        return timing.COMMAND

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        request = _request(chain, memory)
        answer, data = self._do(request, chain, memory, submitted, now)
        chain.write(memory, 0, data, request.words)
        chain.write(memory, chain.writable_size - 1, bytes([answer]), request.words)
        return len(data) + 1

    def _do(self, request: Request, chain: Chain, memory: BusMaster, submitted: int, now: int) -> tuple[Answer, bytes]:
        """The answer, and what is read. Nothing has changed if the medium raises MediumError."""
        match request.type:
            case Type.IN if self._is_there(request):
                data = self._unit.read(request.sector, request.size // SECTOR) if request.size else b""
                self._note(Operation.READ, request.sector, request.size // SECTOR, submitted, now)
                return Answer.OK, data
            case Type.OUT if self._is_there(request) and not self._unit.read_only:
                if request.size:
                    self._unit.write(request.sector, chain.read(memory, HEADER.size, request.size, request.words))
                self._note(Operation.WRITE, request.sector, request.size // SECTOR, submitted, now)
                return Answer.OK, b""
            case Type.IN | Type.OUT:
                return Answer.FAILED, b""
            case Type.FLUSH:
                self._unit.flush()
                self._note(Operation.FLUSH, 0, 0, submitted, now)
                return Answer.OK, b""
            case Type.GET_ID:
                return Answer.OK, self._unit.serial.encode("ascii", "replace")[:ID_SIZE].ljust(ID_SIZE, b"\0")
            case Type.DISCARD | Type.WRITE_ZEROES if not self._unit.read_only:
                return self._clear(request, chain, memory, submitted, now), b""
        return Answer.UNSUPPORTED, b""

    def _is_there(self, request: Request) -> bool:
        whole = request.size % SECTOR == 0 and request.size <= MOST_DATA
        return whole and request.sector + request.size // SECTOR <= self._unit.sectors

    def _clear(self, request: Request, chain: Chain, memory: BusMaster, submitted: int, now: int) -> Answer:
        """What is discarded may hold anything (5.2.6): zeros where whole pages were written, else what it held."""
        if request.size != RANGE.size:
            return Answer.FAILED
        sector, count, flags = RANGE.unpack(chain.read(memory, HEADER.size, RANGE.size, request.words))
        is_discard = request.type == Type.DISCARD
        if flags & ~(0 if is_discard else MAY_UNMAP):
            return Answer.UNSUPPORTED
        if count > (MOST_DISCARDED if is_discard else MOST_ZEROES) or sector + count > self._unit.sectors:
            return Answer.FAILED
        if count and not is_discard:
            self._unit.write(sector, bytes(count * SECTOR))
            self._note(Operation.WRITE, sector, count, submitted, now)
        elif count:
            self._unit.discard(sector, count)
            self._note(Operation.DISCARD, sector, count, submitted, now)
        return Answer.OK

    def _note(self, operation: Operation, sector: int, count: int, submitted: int, now: int) -> None:
        self._unit.done(operation, sector, count, submitted, now)

    def on_event(self, name: str, now: int) -> None:
        self._transport.on_event(name, now)

    def save(self) -> VirtioBlockState:
        return VirtioBlockState(self._transport.save())

    def restore(self, state: VirtioBlockState) -> None:
        self._transport.restore(state.transport)

    def describe(self, now: int) -> Rows:
        return [("disk", self._unit.name), *self._transport.rows()]


def _request(chain: Chain, memory: BusMaster) -> Request:
    """What the chain asks for (5.2.6). Raises RingError where there is no room for a header or an answer."""
    if chain.readable_size < HEADER.size or not chain.writable_size:
        raise RingError("a request without a header or without room for an answer")
    type_, _, sector = HEADER.unpack(chain.read(memory, 0, HEADER.size, "header"))
    size = chain.writable_size - 1 if type_ in (Type.IN, Type.GET_ID) else chain.readable_size - HEADER.size
    return Request(type_, sector, size)
