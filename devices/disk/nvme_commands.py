"""What the commands of an NVMe controller do. Source: NVM Express 1.4, 5 (admin) and 6 (NVM)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from devices.disk import nvme_identify, timing
from devices.disk import nvme_registers as reg
from devices.disk.medium import SECTOR
from devices.disk.nvme_queues import Command, CommandError, CompletionQueue, SubmissionQueue, read_data, write_data
from devices.disk.nvme_registers import Admin, Code, Feature, Nvm
from devices.disk.requests import Operation
from devices.disk.unit import DiskUnit
from devices.seam import BusMaster

IO_QUEUES = 8
VECTORS = IO_QUEUES + 1
MOST_LOG = 4096
RANGE = struct.Struct("<IIQ")
"""Of Dataset Management: attributes, blocks, the first of them."""
DEALLOCATE = 0x4
EVERYWHERE = 0xFFFF_FFFF
"""A namespace identifier that means all."""


class Controller(Protocol):
    """What admin commands change."""

    submissions: list[SubmissionQueue | None]
    completions: list[CompletionQueue | None]
    features: dict[str, int]
    events: int


def duration(command: Command, *, is_admin: bool) -> int:
    """In nanoseconds."""
    size = command.blocks * SECTOR
    match command.opcode:
        case _ if is_admin:
            return timing.COMMAND
        case Nvm.READ if size <= reg.MOST_DATA:
            return timing.reading(size)
        case Nvm.WRITE | Nvm.WRITE_ZEROES if size <= reg.MOST_DATA:
            return timing.writing(size)
    return timing.WRITE_BASE


def do_nvm(unit: DiskUnit, memory: BusMaster, command: Command, submitted: int, now: int) -> None:
    """Raises CommandError. Nothing has changed if the medium raises MediumError."""
    if command.namespace != nvme_identify.NAMESPACE and (command.opcode, command.namespace) != (Nvm.FLUSH, EVERYWHERE):
        raise CommandError(Code.INVALID_NAMESPACE)
    match command.opcode:
        case Nvm.FLUSH:
            unit.flush()
            unit.done(Operation.FLUSH, 0, 0, submitted, now)
        case Nvm.READ:
            lba, count = _range(unit, command)
            write_data(memory, command, unit.read(lba, count), f"read of sector {lba}")
            unit.done(Operation.READ, lba, count, submitted, now)
        case Nvm.WRITE:
            lba, count = _range(unit, command)
            unit.write(lba, read_data(memory, command, count * SECTOR, f"write of sector {lba}"))
            unit.done(Operation.WRITE, lba, count, submitted, now)
        case Nvm.WRITE_ZEROES:
            lba, count = _range(unit, command)
            unit.write(lba, bytes(count * SECTOR))
            unit.done(Operation.WRITE, lba, count, submitted, now)
        case Nvm.DATASET_MANAGEMENT:
            _manage(unit, memory, command, submitted, now)
        case _:
            raise CommandError(Code.INVALID_OPCODE)


def _manage(unit: DiskUnit, memory: BusMaster, command: Command, submitted: int, now: int) -> None:
    """Deallocated ranges may hold anything (6.7.1.1). Other attributes are hints, of which nothing is made."""
    count = (command.words[0] & 0xFF) + 1
    data = read_data(memory, command, count * RANGE.size, "ranges")
    ranges = [(lba, blocks) for _, blocks, lba in RANGE.iter_unpack(data) if blocks]
    if any(lba + blocks > unit.sectors for lba, blocks in ranges):
        raise CommandError(Code.LBA_RANGE)
    if not command.words[1] & DEALLOCATE:
        return
    for lba, blocks in ranges:
        unit.discard(lba, blocks)
        unit.done(Operation.DISCARD, lba, blocks, submitted, now)


def _range(unit: DiskUnit, command: Command) -> tuple[int, int]:
    if command.blocks * SECTOR > reg.MOST_DATA:
        raise CommandError(Code.INVALID_FIELD)
    if command.lba + command.blocks > unit.sectors:
        raise CommandError(Code.LBA_RANGE)
    return command.lba, command.blocks


def do_admin(unit: DiskUnit, memory: BusMaster, command: Command, state: Controller) -> int | None:
    """The result, None for a command that stays with the controller. Raises CommandError."""
    match command.opcode:
        case Admin.IDENTIFY:
            write_data(memory, command, _identified(unit, command), "identify")
        case Admin.GET_LOG_PAGE:
            write_data(memory, command, _log(command), "log page")
        case Admin.SET_FEATURES | Admin.GET_FEATURES:
            return _feature(command, state)
        case Admin.ABORT:
            return 1  # it was not aborted
        case Admin.ASYNCHRONOUS_EVENT:
            if state.events >= nvme_identify.MOST_EVENTS:
                raise CommandError(Code.TOO_MANY_EVENTS)
            state.events += 1
            return None
        case _:
            change = _QUEUE_COMMANDS.get(command.opcode)
            if change is None:
                raise CommandError(Code.INVALID_OPCODE)
            change(command, state)
    return 0


def _identified(unit: DiskUnit, command: Command) -> bytes:
    match command.words[0] & 0xFF:
        case 0:
            if command.namespace not in (nvme_identify.NAMESPACE, EVERYWHERE):
                raise CommandError(Code.INVALID_NAMESPACE)
            return nvme_identify.namespace(unit)
        case 1:
            return nvme_identify.controller(unit)
        case 2:
            return nvme_identify.active(command.namespace)
        case 3 if command.namespace == nvme_identify.NAMESPACE:
            return nvme_identify.identifiers(unit)
    raise CommandError(Code.INVALID_FIELD)


def _log(command: Command) -> bytes:
    found = nvme_identify.log(command.words[0] & 0xFF)
    if found is None:
        raise CommandError(Code.INVALID_LOG_PAGE)
    size = 4 * ((command.words[0] >> 16 | (command.words[1] & 0xFFFF) << 16) + 1)
    if size > MOST_LOG:
        raise CommandError(Code.INVALID_FIELD)
    return found[:size].ljust(size, b"\0")


def _feature(command: Command, state: Controller) -> int:
    feature, value = command.words[0] & 0xFF, command.words[1]
    if feature not in list(Feature):
        raise CommandError(Code.INVALID_FIELD)
    if feature == Feature.QUEUES:
        return IO_QUEUES - 1 | IO_QUEUES - 1 << 16
    if command.opcode == Admin.SET_FEATURES:
        state.features[str(feature)] = value
        return 0
    return state.features.get(str(feature), 0)


def _number_and_size(command: Command) -> tuple[int, int]:
    number, size = command.words[0] & 0xFFFF, (command.words[0] >> 16) + 1
    if not 1 <= number <= IO_QUEUES:
        raise CommandError(Code.INVALID_QUEUE)
    if not 2 <= size <= reg.MOST_ENTRIES:
        raise CommandError(Code.INVALID_QUEUE_SIZE)
    return number, size


def _create_cq(command: Command, state: Controller) -> None:
    number, size = _number_and_size(command)
    if state.completions[number] is not None:
        raise CommandError(Code.INVALID_QUEUE)
    if not command.words[1] & 1 or command.prp1 % reg.PAGE:
        raise CommandError(Code.INVALID_FIELD)
    vector = command.words[1] >> 16
    if vector >= VECTORS:
        raise CommandError(Code.INVALID_VECTOR)
    state.completions[number] = CompletionQueue(command.prp1, size, vector if command.words[1] & 2 else None)


def _create_sq(command: Command, state: Controller) -> None:
    number, size = _number_and_size(command)
    completion = command.words[1] >> 16
    if state.submissions[number] is not None:
        raise CommandError(Code.INVALID_QUEUE)
    if not 1 <= completion <= IO_QUEUES or state.completions[completion] is None:
        raise CommandError(Code.INVALID_CQ)
    if not command.words[1] & 1 or command.prp1 % reg.PAGE:
        raise CommandError(Code.INVALID_FIELD)
    state.submissions[number] = SubmissionQueue(command.prp1, size, completion)


def _delete_cq(command: Command, state: Controller) -> None:
    number = command.words[0] & 0xFFFF
    if not 1 <= number <= IO_QUEUES or state.completions[number] is None:
        raise CommandError(Code.INVALID_QUEUE)
    if any(queue is not None and queue.completion == number for queue in state.submissions):
        raise CommandError(Code.INVALID_DELETION)
    state.completions[number] = None


def _delete_sq(command: Command, state: Controller) -> None:
    number = command.words[0] & 0xFFFF
    if not 1 <= number <= IO_QUEUES or state.submissions[number] is None:
        raise CommandError(Code.INVALID_QUEUE)
    state.submissions[number] = None


_QUEUE_COMMANDS: dict[int, Callable[[Command, Controller], None]] = {
    Admin.CREATE_CQ: _create_cq,
    Admin.CREATE_SQ: _create_sq,
    Admin.DELETE_CQ: _delete_cq,
    Admin.DELETE_SQ: _delete_sq,
}
