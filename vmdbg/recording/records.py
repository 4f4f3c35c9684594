"""What the blocks of a recording hold, as MessagePack."""

from __future__ import annotations

import functools
from typing import TypeVar

import msgspec

from devices.disk.requests import DiskRequest, Operation
from devices.inputs import input_types
from devices.ninep.folder import Answer, Question
from vmdbg.boot.image import ChipWrite, CpuMode, CpuStart, E820Entry, Protocol
from vmdbg.engine.touches import EVENTS
from vmdbg.errors import RecordingError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.inputs import Input, MemoryWrite, NmiButton, PortWrite, PowerCut, RegisterWrite, ScheduleChange
from vmdbg.machine.schedules import is_schedule
from vmdbg.machine.snapshot import MachineState, Position
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.touched import MOST_PORT_BYTES, MOST_REQUESTS, Touched
from vmdbg.units import CpuId, Tick
from vmdbg.x86.ram import ram_end


@functools.cache
def input_types_by_name() -> dict[str, type[Input]]:
    """Every class of inputs that a recording may hold."""
    return {
        type_.__name__: type_
        for type_ in (NmiButton, PowerCut, RegisterWrite, MemoryWrite, PortWrite, ScheduleChange, *input_types())
    }


class FileRef(msgspec.Struct, frozen=True):
    """A file that was not embedded: where it was, and the SHA-256 of its bytes in hex."""

    name: str
    sha256: str


class SegmentRef(msgspec.Struct, frozen=True):
    """A segment of the boot image. Its bytes are the CONTENT with that SHA-256."""

    address: int
    size: int
    name: str
    rom: bool
    sha256: str


class ImageMeta(msgspec.Struct, frozen=True):
    """The boot image but for its bytes."""

    protocol: Protocol
    description: str
    command_line: str | None
    start: CpuStart
    e820: tuple[E820Entry, ...]
    memory: int
    memory_needed: int
    segments: tuple[SegmentRef, ...]
    digest: str
    chips: tuple[ChipWrite, ...] = ()


class FileOptions(msgspec.Struct, frozen=True):
    """What was asked of the loader, when its files are not embedded: see vmdbg.boot.image.BootOptions."""

    kernel: FileRef | None
    initrd: FileRef | None
    bios: FileRef | None
    append: str
    command_line: str | None
    via_decompressor: bool
    protocol: Protocol | None
    load_address: int | None
    mode: CpuMode | None
    rsdp: int | None
    seed: bytes
    firmware: tuple[SegmentRef, ...]
    nvram: FileRef | None = None
    via_setup: bool = False
    real_mode: bool = False
    text_screen: bool = False


class Meta(msgspec.Struct, frozen=True):
    """The first block. Without an `image` the history begins with the BASE block; `roms` are then above RAM."""

    vmdbg: str
    engine: str
    state_size: int
    config: MachineConfig
    description: str
    command_line: str | None = None
    image: ImageMeta | None = None
    files: FileOptions | None = None
    roms: tuple[SegmentRef, ...] = ()
    elf: SegmentRef | None = None
    """The ELF file that was booted, for its symbols; the address means nothing."""
    build: str = ""
    """The fingerprint of the vmdbg that made it; "" from before there was one."""


class Content(msgspec.Struct, frozen=True):
    """A piece of some bytes, named by the SHA-256 of the whole."""

    sha256: str
    offset: int
    data: bytes


class InputRecord(msgspec.Struct, frozen=True, array_like=True):
    """One input: when, the name of its class, and its fields."""

    tick: int
    phase: int
    type: str
    body: bytes


class Inputs(msgspec.Struct, frozen=True, array_like=True):
    """All inputs since the block before, up to a position. Blocks count from 0."""

    number: int
    until_tick: int
    until_phase: int
    inputs: list[InputRecord]


class DigestRecord(msgspec.Struct, frozen=True, array_like=True):
    """A StateDigest."""

    tick: int
    phase: int
    cpu: str
    ram: str
    devices: str


class ConsolePiece(msgspec.Struct, frozen=True, array_like=True):
    """Output of a port; `tick` is its first byte's."""

    port: int
    tick: int
    data: bytes


class MediumRecord(msgspec.Struct, frozen=True, array_like=True):
    """What can be in a drive: its name, how many sectors of 512 bytes, and a hash of all that is in them, "" if it was
    not worth its time (content_digest()).
    """

    name: str
    sectors: int
    digest: str


class Sectors(msgspec.Struct, frozen=True, array_like=True):
    """What the guest read of a medium for the first time: numbers of pages of 4096 bytes, eight bytes each, and their
    contents one after the other.
    """

    medium: str
    numbers: bytes
    data: bytes


class AnswerRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a shared folder was asked with that number, and answered. With a `key` its data is in a BLOBS block."""

    number: int
    question: Question
    answer: Answer
    key: bytes = b""


class AnswersRecord(msgspec.Struct, frozen=True, array_like=True):
    """New answers of the folder of a share."""

    share: str
    answers: list[AnswerRecord]


class BlobsRecord(msgspec.Struct, frozen=True, array_like=True):
    """Data of answers: XXH3-128 digests one after the other, sizes in bytes, and contents one after the other."""

    keys: bytes
    sizes: list[int]
    data: bytes


class CheckpointRecord(msgspec.Struct, frozen=True, array_like=True):
    """A checkpoint; its RAM is that of checkpoint `number` - 1 (of the start, for 0) with some pages changed.

    `changed` are the pages' numbers, four bytes each, and `keys` their digests; where there are `ordinals`, four bytes
    each, the digests of those only that have 0 there, and `digest` is of all. For BASE: relative to all zeros.
    `halted_at` is the tick of the HLT of a halted CPU; `microseconds` what it took to come here from the one before.
    """

    number: int
    phase: int
    inputs: int
    state: MachineState
    changed: bytes
    keys: bytes
    halted_at: int | None = None
    microseconds: int = 0
    ordinals: bytes = b""
    digest: bytes = b""


class RequestRecord(msgspec.Struct, frozen=True, array_like=True):
    """A devices.disk.requests.DiskRequest; its times are counted from the tick at which the part begins."""

    unit: str
    operation: str
    sector: int
    count: int
    submitted: int
    completed: int


class PartRecord(msgspec.Struct, frozen=True, array_like=True):
    """What the history touched from one instant up to another: a Touched, with its events by name.

    With a `digest`, XXH3-64, big-endian, of Touched.columns unpacked, `columns` is a piece of a zstd stream that holds
    those of several parts in a row; `place` says which of them this is.
    """

    tick: int
    phase: int
    until_tick: int
    until_phase: int
    rows: bytes
    ports: bytes
    exceptions: bytes
    interrupts: bytes
    events: list[str]
    everything: bool
    stopped: bool
    written: bytes = b""
    requests: list[RequestRecord] | None = None
    columns: bytes = b""
    place: int = 0
    digest: bytes = b""


class End(msgspec.Struct, frozen=True, array_like=True):
    """The recording was ended properly, with these words."""

    tick: int
    phase: int
    why: str


LONGEST_REASON = 200
"""Characters: it may quote the file."""

_T = TypeVar("_T")


def encode(record: object) -> bytes:
    return msgspec.msgpack.encode(record)


def decode(data: bytes, type_: type[_T], what: str) -> _T:
    """Raises RecordingError if the bytes are none of these."""
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordingError(f"{what} is damaged or of another version: {str(error)[:LONGEST_REASON]}") from error


class WideRegisterWrite(msgspec.Struct, frozen=True):
    """A RegisterWrite of a value that MessagePack has no integer for: its bytes, little-endian."""

    name: str
    value: bytes
    cpu: int


WIDE = WideRegisterWrite.__name__
WIDEST = 32
"""Bytes of a YMM register."""


def encode_input(entry: PlacedInput) -> InputRecord:
    position = entry.position
    match entry.input:
        case RegisterWrite(name, value, cpu) if value >> 64:
            wide = WideRegisterWrite(name, value.to_bytes(WIDEST, "little"), cpu)
            return InputRecord(position.tick, position.phase, WIDE, encode(wide))
    return InputRecord(position.tick, position.phase, type(entry.input).__name__, encode(entry.input))


def _input(record: InputRecord, what: str) -> Input:
    if record.type == WIDE:
        wide = decode(record.body, WideRegisterWrite, what)
        return RegisterWrite(wide.name, int.from_bytes(wide.value, "little"), CpuId(wide.cpu))
    type_ = input_types_by_name().get(record.type)
    if type_ is None:
        raise RecordingError(f"{what} is of unknown kind {record.type[:40]!r}")
    return decode(record.body, type_, what)


def decode_input(record: InputRecord, memory: int, cpus: int) -> PlacedInput:
    """`memory` is the size of RAM, `cpus` how many there are. Raises RecordingError for what no machine takes."""
    what = f"the input at tick {record.tick}"
    data = _input(record, what)
    match data:
        case MemoryWrite(address, content):
            good = 0 <= address <= ram_end(memory) - len(content)
        case PortWrite(port, size, value):
            good = 0 <= port < 1 << 16 and size in (1, 2, 4) and 0 <= value < 1 << 8 * size
        case ScheduleChange(schedule):
            good = cpus > 1 and is_schedule(schedule)
        case RegisterWrite(_, value, cpu):
            good = 0 <= value < 1 << 8 * WIDEST and 0 <= cpu < cpus
        case _:
            good = True
    if not good or record.tick < 0 or record.phase < 0:
        raise RecordingError(f"{what} makes no sense: {str(data)[:100]}")
    return PlacedInput(Position(Tick(record.tick), record.phase), data)


VECTOR_BYTES = 32


def encode_part(part: Part) -> PartRecord:
    start, end, touched = part.start, part.end, part.touched
    return PartRecord(
        start.tick,
        start.phase,
        end.tick,
        end.phase,
        touched.rows,
        touched.ports,
        touched.exceptions.to_bytes(VECTOR_BYTES, "little"),
        touched.interrupts.to_bytes(VECTOR_BYTES, "little"),
        sorted(event.name for event in touched.events),
        touched.everything,
        touched.stopped,
        touched.written,
        None if touched.requests is None else [_encode_request(one, start.tick) for one in touched.requests],
        touched.columns,
    )


def _encode_request(one: DiskRequest, since: int) -> RequestRecord:
    return RequestRecord(one.unit, one.operation, one.sector, one.count, one.submitted - since, one.completed - since)


def _decode_request(one: RequestRecord, since: int) -> DiskRequest:
    """Raises ValueError for an operation that there is none of."""
    return DiskRequest(
        one.unit, Operation(one.operation), one.sector, one.count, one.submitted + since, one.completed + since
    )


def decode_part(record: PartRecord, *, whole: bool = False) -> Part:
    """`whole`: its columns are known to be. Raises RecordingError if it makes no sense."""
    start, end = Position(Tick(record.tick), record.phase), Position(Tick(record.until_tick), record.until_phase)
    events = frozenset(event for event in EVENTS if event.name in record.events)
    vectors = (record.exceptions, record.interrupts)
    sizes = {len(bits) for bits in vectors}
    if not Position(Tick(0)) <= start < end or sizes != {VECTOR_BYTES} or len(record.ports) > MOST_PORT_BYTES:
        raise RecordingError("part of the history index is damaged: it is of no time, or of no machine")
    exceptions, interrupts = (int.from_bytes(bits, "little") for bits in vectors)
    ended = record.everything, record.stopped
    requests = record.requests
    try:
        known = tuple(_decode_request(one, start.tick) for one in requests) if requests is not None else None
    except ValueError as error:
        raise RecordingError(f"part of the history index is damaged: {error}") from error
    if known is not None and len(known) > MOST_REQUESTS:
        raise RecordingError("part of the history index is damaged: it has too many requests to drives")
    touched = Touched(
        record.rows, record.ports, exceptions, interrupts, events, *ended, record.written, known, record.columns
    )
    touched.check(whole=whole)
    return Part(start, end, touched)
