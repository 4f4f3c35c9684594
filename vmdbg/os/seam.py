"""The seam between a stopped guest and the operating systems that can be recognised in it.

A `GuestView` is one instant of the guest: reading it changes nothing and runs nothing. An `OperatingSystem`
is found in a view by a `Detector` and stays bound to it; ask for a new one after the guest ran or the position
changed (cheap: what was learnt of a boot is kept).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from vmdbg.errors import GuestError
from vmdbg.units import Linear, Tick
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import PhysicalMemory


class NotThereYetError(GuestError):
    """The guest has not set this up yet: run it further and ask again."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not there yet; let the guest run further")
        self.what = what


class DamagedError(GuestError):
    """A table of the guest contradicts itself: overwritten, or not what it was taken for."""

    def __init__(self, what: str, address: int) -> None:
        super().__init__(f"{what}: damaged at {address:#x}")
        self.what = what
        self.address = Linear(address)


class CpuView(Protocol):
    """One CPU of a guest at one instant."""

    @property
    def paging(self) -> Paging:
        """How it translates right now."""
        ...

    def register(self, name: str) -> int:
        """rax..r15, rip, rsp, cs, cpl, gs_base, kernel_gs_base, gdtr_base, idtr_base, lstar. Raises `KeyError`."""
        ...


class GuestView(CpuView, Protocol):
    """One instant of a guest, without side effects. As a CPU it is the one of `cpus` that is looked at."""

    @property
    def tick(self) -> Tick: ...

    @property
    def ram_size(self) -> int:
        """Bytes of RAM, wherever the machine puts them."""
        ...

    @property
    def memory(self) -> PhysicalMemory: ...

    @property
    def cpus(self) -> Sequence[CpuView]:
        """All CPUs, in the machine's order."""
        ...


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name at an address. `size` is 0 where nobody says; `module` is "" for the kernel itself.

    `kind` is the letter of nm(1): t and T are code, upper case is global.
    """

    name: str
    address: Linear
    size: int = 0
    kind: str = "T"
    module: str = ""

    @property
    def is_code(self) -> bool:
        return self.kind in "tTwW"


@dataclass(frozen=True, slots=True)
class Location:
    """An address as nearest symbol and distance."""

    symbol: Symbol
    offset: int

    def __str__(self) -> str:
        name = f"{self.symbol.name}+{self.offset:#x}" if self.offset else self.symbol.name
        return f"{name} [{self.symbol.module}]" if self.symbol.module else name


class Symbols(Protocol):
    """Names and addresses."""

    def find(self, name: str) -> Linear | None:
        """The address of a name, or None."""
        ...

    def address_of(self, name: str) -> Linear:
        """Raises `UserError` if there is no such name."""
        ...

    def nearest(self, address: int) -> Location | None:
        """The symbol that `address` belongs to, or None outside of all known code and data."""
        ...

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        """Names that begin with `prefix`, sorted."""
        ...


class FrameKind(Enum):
    """How a frame came to be."""

    CURRENT = "current"
    SWITCHED_OUT = "switched out"
    CALL = "call"
    INTERRUPTED = "interrupted"
    SYSTEM_CALL = "system call"
    USER = "user"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class Frame:
    """One row of a backtrace, innermost first.

    `pc` is where the frame continues; `sp` its stack pointer there; `stack` names the stack it is on;
    `registers` are those known at that point. `is_exact`: the instruction at `pc` is the next to run here; else it
    is behind the call that the frame has made.
    """

    number: int
    pc: Linear
    sp: Linear
    location: Location | None
    kind: FrameKind
    stack: str
    registers: dict[str, int]
    arguments: tuple[tuple[str, str], ...] = ()
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Backtrace:
    """`frames` innermost first. `complete` if an entry point was reached; else `stopped` says why not."""

    frames: tuple[Frame, ...]
    complete: bool
    stopped: str


@dataclass(frozen=True, slots=True)
class Task:
    """A thread of the guest. `cpu_time` is in nanoseconds of guest time; `state` a letter as in ps(1).

    `is_current`: the CPU that is looked at runs it. `cpu` is the system's number of the one that it is on, or was on
    last; `is_running`: it is on it now.
    """

    pid: int
    process: int
    parent: int
    name: str
    state: str
    address: Linear
    cpu_time: int
    is_kernel: bool
    is_current: bool
    depth: int
    command_line: str = ""
    cpu: int = 0
    is_running: bool = False


LONGEST_NAME = 15
"""Bytes of a program's name that systems keep of it: Linux's TASK_COMM_LEN less the zero byte; others have the same."""


def is_called(name: str, wanted: str) -> bool:
    """Whether a task of that name is meant by what a user writes, be that the whole of a name which was cut."""
    return name == wanted or (len(name.encode()) == LONGEST_NAME and wanted.startswith(name))


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """Who runs, in few words. `pid` is the thread's, `process` that of its thread group."""

    address: Linear
    pid: int
    process: int
    name: str


ReadRegister = Callable[[str], int]
"""A register of a CPU by its name."""


class CurrentLocator(Protocol):
    """A quick way to who runs, good at every instant of one boot from that on at which it was asked for."""

    def read(self, memory: PhysicalMemory, register: ReadRegister) -> CurrentTask | None:
        """Whom the CPU with these registers runs. None before there is one, and where memory contradicts itself."""
        ...


class CallFrames(Protocol):
    """Who knows how to leave a frame better than the operating system: the call frame information of symbol files."""

    def caller(self, registers: Mapping[str, int], *, is_exact: bool) -> tuple[dict[str, int], bool] | None:
        """The caller's registers as far as they are known, and whether its `rip` is exact. None: nothing is known.

        Empty registers if there is no caller.
        """
        ...


class OperatingSystem(Protocol):
    """What front ends may ask of any operating system. Each raises `NotThereYetError`, `DamagedError`."""

    call_frames: CallFrames | None
    """Asked before the system's own unwind tables, if set before the first backtrace."""

    @property
    def name(self) -> str:
        """A line that says which, with its version."""
        ...

    @property
    def symbols(self) -> Symbols: ...

    def tasks(self) -> Sequence[Task]:
        """All threads, parents before children."""
        ...

    def current(self) -> Task:
        """The task that the CPU which is looked at runs."""
        ...

    def running(self) -> Sequence[Task]:
        """The task of each CPU that the system uses, by its numbers; where there are several, idle ones too."""
        ...

    def current_locator(self) -> CurrentLocator: ...

    def backtrace(self, task: Task | None = None) -> Backtrace:
        """Of `task`, or of whatever the CPU that is looked at executes."""
        ...


class Detector(Protocol):
    """Recognises one system. It may keep what it learnt of a boot for the next instant."""

    def detect(self, view: GuestView) -> OperatingSystem | None:
        """None where it does not run. Raises `NotThereYetError`, `DamagedError` where it does and cannot be read."""
        ...
