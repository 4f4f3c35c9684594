"""The answers: what happened, when, on which CPU, and who ran. `position` is an instant to seek to.

`task` and `pid` are "" and None where no Linux is known, or nobody ran; 0 is an idle task's.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.disk.requests import Operation
from devices.interrupts.apic_bus import DeliveryMode
from vmdbg.engine.exits import Access, DeliveryKind
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.call_queues import Called
from vmdbg.units import BOOT_CPU, CpuId, Linear, Physical


@dataclass(frozen=True, slots=True)
class AccessRow:
    """Memory was read or written. `position` is after the instruction at `pc`, which did it; `old` and `new` are the
    bytes it touched, before and after. With `device` it was a device, for its `request`, and there is neither `pc` nor
    `cpu`."""

    position: Position
    pc: Linear | None
    access: Access
    linear: Linear
    physical: Physical
    old: bytes
    new: bytes
    cr3: int
    device: str = ""
    request: str = ""
    cpu: CpuId | None = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """The instruction at `pc` is about to run."""

    position: Position
    pc: Linear
    rsp: int
    cr3: int
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call, at its first instruction. `returned` and `value` are None if it did not return while it was followed."""

    position: Position
    function: Linear
    caller: Linear
    arguments: tuple[int, ...]
    cr3: int
    returned: Position | None
    value: int | None
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class SystemCallRow:
    """A SYSCALL or INT 80h of ring 3, at the kernel's first instruction."""

    position: Position
    pc: Linear
    number: int
    arguments: tuple[int, ...]
    cr3: int
    returned: Position | None
    value: int | None
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """An exception, INT n, interrupt or NMI, at the handler's first instruction. `pc` is where it struck."""

    position: Position
    kind: DeliveryKind
    vector: int
    error_code: int
    pc: Linear
    cr2: Linear
    cpl: int
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class IpiRow:
    """`cpu` sends an interrupt to the CPU `to`. `vector` is None of modes that have none, `name` "" where it has none.

    `accepted` is when that took it, or was started by it: None if it did not, and of other modes. `called` is what a
    Linux had the CPU run by it then, and by others that it took with it; `runs` is the same in words.
    """

    position: Position
    to: CpuId
    mode: DeliveryMode
    vector: int | None
    name: str = ""
    accepted: Position | None = None
    runs: str = ""
    called: tuple[Called, ...] = ()
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class PortRow:
    """The instruction at `pc` is about to access a port. `value` is what it writes, None if it reads."""

    position: Position
    pc: Linear
    access: Access
    port: int
    value: int | None
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class DiskRow:
    """A request to a drive is done, and its data has moved. `sector` and `count` in sectors of 512 bytes, `latency` in
    ticks since it was `submitted`. `task` and `pid` had it asked for, which may be several, and `file` is whose data it
    is: "" and None where that is not sure.
    """

    position: Position
    drive: str
    operation: Operation
    sector: int
    count: int
    submitted: Position
    latency: int
    task: str = ""
    pid: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class PacketRow:
    """A frame is sent by a network device, or has come to it. `size` in bytes; `fate` says why it was lost, "" for one
    that was not.
    """

    position: Position
    net: str
    direction: str
    source: str
    target: str
    protocol: str
    size: int
    info: str
    fate: str = ""
    frame: bytes = b""


@dataclass(frozen=True, slots=True)
class Cr3Row:
    """The instruction at `pc` is about to load CR3."""

    position: Position
    pc: Linear
    old: int
    new: int
    cpu: CpuId = BOOT_CPU
    task: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class ConsoleRow:
    """A line on a console, without its end. `position` is about when its first byte was written."""

    position: Position
    port: int
    text: str


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """The screen was seen to have changed: of text the lines, of graphics the rows of dots, from 0 on. `text` is the
    last of those lines.
    """

    position: Position
    mode: str
    lines: str
    text: str


@dataclass(frozen=True, slots=True)
class RegisterChange:
    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """Neighbouring bytes of RAM that all differ."""

    physical: Physical
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A chip's state, as JSON."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class StateDifference:
    """What differs between two instants."""

    registers: tuple[RegisterChange, ...]
    memory: tuple[MemoryChange, ...]
    devices: tuple[DeviceChange, ...]


@dataclass(frozen=True, slots=True)
class LinuxCallRow:
    """A system call of Linux, at the kernel's first instruction, by its names.

    `returned` is where the kernel is about to return to the caller, and `ticks` how long that took; both are None for a
    call that did not return. `result` is what the caller gets, as `3` or `-ENOENT`, or `restarted`.
    """

    position: Position
    task: str
    pid: int
    process: int
    name: str
    arguments: str
    result: str | None
    value: int | None
    returned: Position | None
    ticks: int | None
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A page fault, at the handler's first instruction. `pc` is where it struck, `address` what was accessed."""

    position: Position
    task: str
    pid: int
    what: str
    address: Linear
    pc: Linear
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """The processor goes from one task to another, `next_task`. `ticks` is how long the first one had it.

    `state` is why it lost it: R it could go on, S and D it waits, X it is over, and so on as ps(1) has it.
    """

    position: Position
    task: str
    pid: int
    state: str
    next_task: str
    next_pid: int
    ticks: int | None
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class WakeRow:
    """`task` runs, or is interrupted, and wakes `woken`, which is `new` if it never ran."""

    position: Position
    task: str
    pid: int
    woken: str
    woken_pid: int
    new: bool
    caller: Linear
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class SlabRow:
    """Memory of the slab allocator, or a larger piece by kmalloc(), was allocated or freed.

    `position` is at the allocator's first instruction, `caller` who called it. `size` is what was asked for; None for
    what is freed. `cache` is "" for memory that is in no slab.
    """

    position: Position
    task: str
    pid: int
    what: str
    address: Linear
    size: int | None
    cache: str
    object_size: int | None
    allocator: str
    caller: Linear
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class SampleRow:
    """How often a task was found at an instruction; `pc` None while all CPUs slept."""

    task: str
    pid: int
    ring: int
    pc: Linear | None
    cpu: CpuId
    samples: int


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many rows, or samples, have the same of what was asked for, and what share that is in percent."""

    count: int
    percent: float
    what: str
    ticks: int | None
