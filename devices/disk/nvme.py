"""An NVMe controller with one namespace. Source: NVM Express 1.4, 3.1 (registers), 4.1 (queues), 7.6 (initialization).

Commands of a queue are worked at one after the other, each in two deadlines: one that fetches it and says how long it
takes, and one that does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.disk import nvme_registers as reg
from devices.disk import timing
from devices.disk.nvme_commands import IO_QUEUES, VECTORS, do_admin, do_nvm, duration
from devices.disk.nvme_queues import (
    Command,
    CommandError,
    CompletionQueue,
    SubmissionQueue,
    post,
    read_command,
)
from devices.disk.nvme_registers import Code
from devices.disk.unit import DiskUnit
from devices.fitting import Slot
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.pci.msi import Msix
from devices.seam import Rows

FETCH, WORK, SHUTDOWN = "fetch", "work", "shut down"
QUEUES = IO_QUEUES + 1
_IDENTITY = Identity(0x1B36, 0x0010, 0x010802, 2, 0x1AF4, 0x1100)
_WORD = 0xFFFF_FFFF


@dataclass(slots=True)
class NvmeState:
    """Queue 0 is the admin queue. `events`: asynchronous event requests that wait."""

    function: PciFunctionState
    masked: int = 0
    configuration: int = 0
    status: int = 0
    admin_sizes: int = 0
    admin_submission: int = 0
    admin_completion: int = 0
    events: int = 0
    features: dict[str, int] = field(default_factory=dict)
    submissions: list[SubmissionQueue | None] = field(default_factory=lambda: [None] * QUEUES)
    completions: list[CompletionQueue | None] = field(default_factory=lambda: [None] * QUEUES)


class Nvme:
    """`unit` is namespace 1."""

    title = "NVMe controller"
    State: ClassVar[type[NvmeState]] = NvmeState

    def __init__(self, slot: Slot, unit: DiskUnit) -> None:
        self.name = slot.name
        self._unit = unit
        self._memory = slot.bus_master()
        self._timer = slot.timer()
        self.function = PciFunction(
            slot,
            _IDENTITY,
            bars={reg.BAR: Bar(Space.MEMORY64, reg.BAR_SIZE, self)},
            pin=Pin.INTA,
            msix=Msix(VECTORS, reg.MSIX_BAR),
        )
        self._state = NvmeState(self.function.save())

    # registers

    def read(self, offset: int, size: int, now: int) -> int:
        """Of any size: the bytes as they are."""
        state = self._state
        words = {
            reg.CAP: reg.CAPABILITIES, reg.VS: reg.VERSION, reg.INTMS: state.masked, reg.INTMC: state.masked,
            reg.CC: state.configuration, reg.CSTS: state.status, reg.AQA: state.admin_sizes,
            reg.ASQ: state.admin_submission, reg.ACQ: state.admin_completion,
        }  # fmt: skip
        whole = sum(value << 8 * at for at, value in words.items())
        return whole >> 8 * offset & (1 << 8 * size) - 1 if offset < reg.DOORBELLS else 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset >= reg.DOORBELLS:
            if size == 4 and offset % reg.DOORBELL_STRIDE == 0:
                self._doorbell((offset - reg.DOORBELLS) // reg.DOORBELL_STRIDE, value & 0xFFFF, now)
        elif size == 8:
            self._write_word(offset, value & _WORD, now)
            self._write_word(offset + 4, value >> 32, now)
        elif size == 4:
            self._write_word(offset, value, now)

    def _write_word(self, offset: int, value: int, now: int) -> None:
        state = self._state
        match offset:
            case reg.INTMS:
                state.masked |= value
                self._drive_pin()
            case reg.INTMC:
                state.masked &= ~value
                self._drive_pin()
            case reg.CC:
                self._configure(value & reg.CC_WRITABLE, now)
            case reg.AQA if not self._ready:
                state.admin_sizes = value & 0x0FFF_0FFF
            case reg.ASQ | 0x2C if not self._ready:
                state.admin_submission = _half(state.admin_submission, offset - reg.ASQ, value) & -reg.PAGE
            case reg.ACQ | 0x34 if not self._ready:
                state.admin_completion = _half(state.admin_completion, offset - reg.ACQ, value) & -reg.PAGE

    @property
    def _ready(self) -> bool:
        return bool(self._state.status & reg.CSTS_READY)

    def _configure(self, value: int, now: int) -> None:
        state = self._state
        before, state.configuration = state.configuration, value
        if value & ~before & reg.CC_ENABLE:
            self._enable()
        elif before & ~value & reg.CC_ENABLE:
            self._reset()
        if value & reg.CC_SHUTDOWN and not before & reg.CC_SHUTDOWN:
            state.status = state.status & ~reg.CSTS_SHUTDOWN | reg.CSTS_SHUTTING_DOWN
            self._timer.schedule(SHUTDOWN, now + timing.WRITE_BASE)

    def _enable(self) -> None:
        """A configuration that cannot be is fatal (7.6.1)."""
        state = self._state
        submissions, completions = (state.admin_sizes & 0xFFF) + 1, (state.admin_sizes >> 16 & 0xFFF) + 1
        command_set_and_page = state.configuration >> 4 & 0x7F
        if command_set_and_page or min(submissions, completions) < 2:
            state.status |= reg.CSTS_FATAL
            return
        state.submissions[0] = SubmissionQueue(state.admin_submission, submissions, 0)
        state.completions[0] = CompletionQueue(state.admin_completion, completions, 0)
        state.status = reg.CSTS_READY

    def _reset(self) -> None:
        """Controller reset: the admin queue's registers stay (7.3.2)."""
        old = self._state
        for number in range(QUEUES):
            self._cancel(number)
        self._timer.cancel(SHUTDOWN)
        self._state = NvmeState(
            old.function,
            configuration=old.configuration,
            admin_sizes=old.admin_sizes,
            admin_submission=old.admin_submission,
            admin_completion=old.admin_completion,
        )
        self._drive_pin()

    def _cancel(self, number: int) -> None:
        self._timer.cancel(f"{FETCH} {number}")
        self._timer.cancel(f"{WORK} {number}")

    # queues

    def _doorbell(self, index: int, value: int, now: int) -> None:
        number, is_completion = divmod(index, 2)
        if number >= QUEUES or not self._ready:
            return
        if is_completion:
            self._completions_taken(number, value, now)
            return
        queue = self._state.submissions[number]
        if queue is not None and value < queue.size:
            queue.tail = value
            if not queue.busy:
                self._timer.schedule(f"{FETCH} {number}", now + timing.SHORTEST)

    def _completions_taken(self, number: int, head: int, now: int) -> None:
        taken = self._state.completions[number]
        if taken is None or head >= taken.size:
            return
        taken.head = head
        self._drive_pin()
        for waiting, queue in enumerate(self._state.submissions):
            if queue is not None and queue.completion == number and queue.stalled:
                queue.stalled = False
                self._timer.schedule(f"{WORK} {waiting}", now + timing.SHORTEST)

    def on_event(self, name: str, now: int) -> None:
        word, _, number = name.rpartition(" ")
        if name == SHUTDOWN:
            self._unit.flush()
            self._state.status = self._state.status & ~reg.CSTS_SHUTDOWN | reg.CSTS_SHUT_DOWN
        elif word == FETCH:
            self._fetch(int(number), now)
        else:
            self._work(int(number), now)

    def _fetch(self, number: int, now: int) -> None:
        """The next command, if there is one, and how long it takes."""
        queue = self._state.submissions[number]
        if queue is None or queue.head == queue.tail or not self.function.bus_master:
            return
        queue.busy, queue.submitted = True, now
        command = read_command(self._memory, queue)
        self._timer.schedule(f"{WORK} {number}", now + duration(command, is_admin=number == 0))

    def _work(self, number: int, now: int) -> None:
        """The command is done at this instant; then the next one is fetched."""
        queue = self._state.submissions[number]
        completions = self._state.completions[queue.completion] if queue is not None else None
        if queue is None or completions is None or not queue.busy:
            return
        if not self.function.bus_master:
            queue.busy = False  # fetched anew at the next doorbell
            return
        if completions.is_full:
            queue.stalled = True
            return
        command = read_command(self._memory, queue)
        code, result = self._done(number, command, queue.submitted, now)
        queue.busy, queue.head = False, (queue.head + 1) % queue.size
        if result is not None:
            post(self._memory, completions, (result, queue.head | number << 16, command.identifier), code)
            self._interrupt(completions)
        self._fetch(number, now)

    def _done(self, number: int, command: Command, submitted: int, now: int) -> tuple[Code, int | None]:
        """Status and result; no result for what is not completed yet."""
        try:
            if number:
                do_nvm(self._unit, self._memory, command, submitted, now)
                return Code.SUCCESS, 0
            before = list(self._state.submissions)
            result = do_admin(self._unit, self._memory, command, self._state)
            for other, queue in enumerate(before):
                if queue is not None and self._state.submissions[other] is None:
                    self._cancel(other)
            return Code.SUCCESS, result
        except CommandError as error:
            return error.code, 0

    def _interrupt(self, queue: CompletionQueue) -> None:
        if self.function.msix_enabled:
            if queue.vector is not None:
                self.function.notify(queue.vector)
        else:
            self._drive_pin()

    def _drive_pin(self) -> None:
        """Asserted while there is a completion that the driver has not taken (7.5.1.1)."""
        state = self._state
        self.function.set_interrupt(any(
            queue is not None and queue.vector is not None and queue.head != queue.tail
            and not state.masked >> min(queue.vector, 31) & 1
            for queue in state.completions
        ))  # fmt: skip

    # as a device

    def save(self) -> NvmeState:
        self._state.function = self.function.save()
        return copied(self._state)

    def restore(self, state: NvmeState) -> None:
        if not len(state.submissions) == len(state.completions) == QUEUES:
            raise ValueError(f"an NVMe controller here has {QUEUES} queues")
        self._state = copied(state)
        self.function.restore(state.function)

    def describe(self, now: int) -> Rows:
        state = self._state
        rows = [
            ("disk", self._unit.name),
            *function_rows(self.function),
            ("CC", f"{state.configuration:08x}"),
            ("CSTS", f"{state.status:08x} {'ready' if self._ready else 'not ready'}"),
            ("events", f"{state.events} requests wait"),
        ]
        for number, queue in enumerate(state.submissions):
            if queue is not None:
                rows.append((f"submission queue {number}", _submission_text(queue)))
        for number, done in enumerate(state.completions):
            if done is not None:
                rows.append((f"completion queue {number}", _completion_text(done)))
        return rows


def _submission_text(queue: SubmissionQueue) -> str:
    busy = f", works at {queue.head} since {queue.submitted}" if queue.busy else ""
    where = f"{queue.size} entries at {queue.base:x}, head {queue.head}, tail {queue.tail}"
    return f"{where}, completes in {queue.completion}{busy}"


def _completion_text(queue: CompletionQueue) -> str:
    vector = f"message {queue.vector}" if queue.vector is not None else "no interrupt"
    return f"{queue.size} entries at {queue.base:x}, head {queue.head}, tail {queue.tail}, {vector}"


def _half(whole: int, at: int, value: int) -> int:
    """`whole` with its dword at byte `at` replaced."""
    return whole & ~(_WORD << 8 * at) | value << 8 * at
