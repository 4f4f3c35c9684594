"""Submission and completion queues of an NVMe controller, and where a command's data lies.

Source: NVM Express 1.4, 4.1 (queues), 4.3 (PRP), 4.6 (completions). All is in memory that the guest owns: it is read
when it is needed and never trusted. Only deadlines reach it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from devices.disk import nvme_registers as reg
from devices.disk.nvme_registers import PAGE, Code
from devices.seam import BusMaster

_COMMAND = struct.Struct("<BBHI16xQQIIIIII")


class CommandError(Exception):
    """Why a command is refused. Never leaves the controller."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(slots=True)
class SubmissionQueue:
    """`busy`: the command at `head` is worked at since `submitted`; `stalled`: it waits for room for its completion."""

    base: int
    size: int
    completion: int
    head: int = 0
    tail: int = 0
    busy: bool = False
    stalled: bool = False
    submitted: int = 0


@dataclass(slots=True)
class CompletionQueue:
    """`phase` is the tag that entries get on this way round. `vector` is None for a queue without interrupts."""

    base: int
    size: int
    vector: int | None
    head: int = 0
    tail: int = 0
    phase: int = 1

    @property
    def is_full(self) -> bool:
        return (self.tail + 1) % self.size == self.head


@dataclass(frozen=True, slots=True)
class Command:
    """A submission queue entry; `words` are CDW10 to CDW15."""

    opcode: int
    identifier: int
    namespace: int
    prp1: int
    prp2: int
    words: tuple[int, ...]

    @property
    def lba(self) -> int:
        return self.words[0] | self.words[1] << 32

    @property
    def blocks(self) -> int:
        return (self.words[2] & 0xFFFF) + 1


def read_command(memory: BusMaster, queue: SubmissionQueue) -> Command:
    raw = memory.read(queue.base + reg.SUBMISSION_SIZE * queue.head, reg.SUBMISSION_SIZE, "command")
    opcode, _, identifier, namespace, prp1, prp2, *words = _COMMAND.unpack(raw)
    return Command(opcode, identifier, namespace, prp1, prp2, tuple(words))


def post(memory: BusMaster, queue: CompletionQueue, words: tuple[int, int, int], code: Code) -> None:
    """`words`: the result, DW2 (submission queue and its head), the command's identifier."""
    result, where, identifier = words
    last = identifier | queue.phase << 16 | code << 17
    entry = struct.pack("<IIII", result, 0, where, last)
    memory.write(queue.base + reg.COMPLETION_SIZE * queue.tail, entry, "completion")
    queue.tail = (queue.tail + 1) % queue.size
    queue.phase ^= not queue.tail


def pages(memory: BusMaster, command: Command, size: int) -> Iterator[tuple[int, int]]:
    """Address and length of each part of a command's data. Raises CommandError for what is no list."""
    first = min(size, PAGE - command.prp1 % PAGE)
    if first:
        yield command.prp1, first
    left = size - first
    if left > PAGE:
        yield from _listed(memory, command.prp2, left)
    elif left:
        yield _page(command.prp2), left


def _listed(memory: BusMaster, address: int, left: int) -> Iterator[tuple[int, int]]:
    """The last entry of a list's page leads to the next page, if there is more than that entry could hold."""
    while left:
        if address % 8:
            raise CommandError(Code.PRP_OFFSET)
        room = (PAGE - address % PAGE) // 8
        wanted = -(-left // PAGE)
        count = min(room, wanted)
        entries = struct.unpack(f"<{count}Q", memory.read(address, 8 * count, "PRP list"))
        goes_on = wanted > room
        for entry in entries[: count - goes_on]:
            yield _page(entry), min(left, PAGE)
            left -= min(left, PAGE)
        if goes_on:
            address = _page(entries[-1])


def _page(address: int) -> int:
    if address % PAGE:
        raise CommandError(Code.PRP_OFFSET)
    return address


def read_data(memory: BusMaster, command: Command, size: int, request: str) -> bytes:
    return b"".join(memory.read(address, length, request) for address, length in list(pages(memory, command, size)))


def write_data(memory: BusMaster, command: Command, data: bytes, request: str) -> None:
    at = 0
    for address, length in list(pages(memory, command, len(data))):
        memory.write(address, data[at : at + length], request)
        at += length
