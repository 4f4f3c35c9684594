"""The seam: what a target to be debugged offers, as a set of small ports.

A `Target` is a frozen dataclass of Protocols. Three are needed (registers, memory, execution), the others
may be None, and everything the stub promises to a client (qSupported, vCont?, which Z packets) is computed
from which are there. Values are plain integers and bytes in the target's byte order. Any port may raise
`TargetError`.

Calls come from the one thread that polls the server. They must not block: `Execution.resume` only asks, and
the owner of the target reports the stop later through `Session.stopped` (or `Server.stopped`), also one
that the client did not cause. Between two polls the target may run; during a poll it stands still, so that
memory and registers can be read whether it counts as running or not.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.stops import FIRST_THREAD, StopReason, ThreadId


@dataclass(frozen=True, slots=True)
class Register:
    """One register of the constant layout; its number is its index there.

    `bits` is a multiple of 8. `type`, `group` and `feature` are GDB's (GDB manual, Target Description
    Format); `generic` is LLDB's role ("pc", "sp", "fp", "ra", "flags", "arg1" ...) and "pc" is how the stub
    finds the program counter. `dwarf` is the number the ABI's DWARF uses. `save_restore` False keeps gdb
    from writing it back after a call by hand.
    """

    name: str
    bits: int
    type: str = "int"
    group: str = "general"
    feature: str = ""
    generic: str = ""
    dwarf: int | None = None
    alias: str = ""
    save_restore: bool = True


class Registers(Protocol):
    """Register access. The layout never changes while a client is attached, whatever mode the CPU is in."""

    @property
    def layout(self) -> Sequence[Register]: ...

    def read_all(self, thread: ThreadId, /) -> bytes:
        """The leading registers of the layout, concatenated: all of them, or as many as are cheap and often
        wanted.

        Its length never changes. Clients fetch registers beyond it one by one.
        """
        ...

    def write_all(self, thread: ThreadId, values: bytes, /) -> None:
        """As many bytes as `read_all` gives."""
        ...

    def read(self, thread: ThreadId, number: int, /) -> bytes | None:
        """The register's value, or None when it is not available now."""
        ...

    def write(self, thread: ThreadId, number: int, value: bytes, /) -> None: ...


class Memory(Protocol):
    """Memory as `thread` sees it (the physical port ignores the thread)."""

    def read(self, thread: ThreadId, address: int, length: int, /) -> bytes:
        """Up to `length` bytes; fewer when only a prefix is readable. Raises MemoryAccessError when not even
        one is.
        """
        ...

    def write(self, thread: ThreadId, address: int, data: bytes, /) -> None:
        """All of `data`, or MemoryAccessError and nothing."""
        ...


class ActionKind(enum.Enum):
    """What `Execution.resume` understands; the value is the letter in vCont."""

    CONTINUE = "c"
    STEP = "s"
    RANGE_STEP = "r"
    STOP = "t"


@dataclass(frozen=True, slots=True)
class Continue:
    """Run; deliver `signal` first if it is not 0 and the target knows signals."""

    signal: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Run one instruction; deliver `signal` first if it is not 0 and the target knows signals."""

    signal: int = 0


@dataclass(frozen=True, slots=True)
class RangeStep:
    """Step until the pc leaves [start, end); at least one instruction. Breakpoints still stop it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the thread; reported as `Signalled(Signal.NONE)`. Only in non-stop mode."""


Action = Continue | Step | RangeStep | Stop


class Execution(Protocol):
    """Running and stopping."""

    @property
    def actions(self) -> frozenset[ActionKind]:
        """CONTINUE always; STEP nearly always (without it clients plant breakpoints to step)."""
        ...

    def resume(self, actions: Mapping[ThreadId, Action], /) -> None:
        """Start what `actions` says for each thread; threads not named stay as they are. Returns at once.

        The stop is reported through `Session.stopped`, which may be called before this returns (a step that
        is done on the spot makes stepping fast).
        """
        ...

    def state(self) -> StopReason | None:
        """Why the target stands, or None while it runs."""
        ...


class Interrupt(Protocol):
    def interrupt(self) -> None:
        """Ctrl-C: stop soon; reported as `Signalled(Signal.SIGINT)`. No effect when nothing runs."""
        ...


class Breakpoints(Protocol):
    """Breakpoints and watchpoints. The stub removes its client's when that leaves."""

    @property
    def kinds(self) -> frozenset[BreakpointKind]: ...

    def insert(self, point: Breakpoint, /) -> None:
        """Set it; one with the same kind, address and length is replaced (its condition may have changed).

        When it is hit, ask `point.stops(frame)` whether to stop and report.
        """
        ...

    def remove(self, point: Breakpoint, /) -> None: ...


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """How a thread is shown: `name` ("CPU 0"), `extra` ("ring 3, bash[412]") and the core it runs on."""

    name: str = ""
    extra: str = ""
    core: int | None = None


class Threads(Protocol):
    def threads(self) -> Sequence[ThreadId]: ...

    def describe(self, thread: ThreadId, /) -> ThreadInfo: ...


class Reverse(Protocol):
    """Reverse execution. Asynchronous like `Execution.resume`; stops at `HistoryEdge` too."""

    def reverse_step(self, thread: ThreadId, /) -> None: ...

    def reverse_continue(self, thread: ThreadId, /) -> None: ...


class RegionKind(enum.Enum):
    RAM = "ram"
    ROM = "rom"


@dataclass(frozen=True, slots=True)
class MapRegion:
    """One entry of the memory map gdb asks for with qXfer:memory-map. Outside of all of them gdb refuses
    access.
    """

    start: int
    length: int
    kind: RegionKind = RegionKind.RAM


class MemoryMap(Protocol):
    def regions(self) -> Sequence[MapRegion]: ...


class Features(Protocol):
    """The target description: "target.xml" and the annexes it includes."""

    def annex(self, name: str, /) -> str | None: ...


class Monitor(Protocol):
    def run(self, command: str, write: Callable[[str], None], check: Callable[[], None], /) -> str:
        """Run a ``monitor`` command. `write` streams text to the client's console at once; the result comes last.

        `check` is to be called in the course of what takes long; it raises where nobody waits for the result any more.
        """
        ...


class Search(Protocol):
    def search(
        self, thread: ThreadId, start: int, length: int, pattern: bytes, check: Callable[[], None], /
    ) -> int | None:
        """The first address where `pattern` lies, all of it in [start, start + length), as in gdb's own searches.
        `length` is the client's, up to 2 ** 64 - 1.

        Calls `check` every few milliseconds, and lets through what that raises. MemoryAccessError.
        """
        ...


class Checksum(Protocol):
    def crc32(self, thread: ThreadId, start: int, length: int, check: Callable[[], None], /) -> int:
        """The CRC of qCRC: polynomial 04c11db7, most significant bit first, initial value ffffffff.

        `check` as for Search. MemoryAccessError.
        """
        ...


class Restart(Protocol):
    def restart(self) -> None:
        """Start the target afresh (R, vRun); it then stands at its first instruction."""
        ...


class Lifecycle(Protocol):
    """A client comes and goes."""

    def attached(self) -> None:
        """A client has connected and expects a target that stands: stop it before returning."""
        ...

    def detached(self) -> None:
        """The client let go with D: the target may run on."""
        ...

    def vanished(self) -> None:
        """The connection was lost; the client's breakpoints are already removed."""
        ...

    def killed(self) -> None:
        """The client asked to end the target (k, vKill)."""
        ...


@dataclass(frozen=True, slots=True)
class Offsets:
    """How far sections were moved from where the file says (qOffsets)."""

    text: int
    data: int
    bss: int


class Relocation(Protocol):
    def offsets(self) -> Offsets | None: ...


class SystemCalls(Protocol):
    """Catching the system calls of the programs that an operating system runs; reported as `stops.SystemCall`."""

    def catch(self, numbers: frozenset[int] | None, /) -> None:
        """Stop at these calls and at their returns; an empty set is for all, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class Visit:
    """Take up to `steps` single steps from `moment` on, and call `take` after each for as long as it returns True."""

    moment: int
    steps: int
    take: Callable[[], bool]


class Moments(Protocol):
    """A target that can go back to what it has been: tracepoints' steps are made up for when they are looked at."""

    def now(self) -> int:
        """The present instant as a number that grows with time and never means two."""
        ...

    def revisit(self, visits: Sequence[Visit], /) -> None:
        """Carry out visits, earliest first, then come back to the present. TargetError, standing in the present too."""
        ...


class SingleStepMask(Protocol):
    """QEMU's qqemu.sstep: bits of `MASK_BITS` say what happens during a step."""

    def get(self) -> int: ...

    def set(self, mask: int, /) -> None: ...


SSTEP_ENABLE = 1
SSTEP_NOIRQ = 2
SSTEP_NOTIMER = 4


@dataclass(frozen=True, slots=True)
class Host:
    """What LLDB asks with qHostInfo and qProcessInfo. `triple` like "x86_64-unknown-none"."""

    triple: str
    pointer_bytes: int = 8
    os_type: str = "none"
    vendor: str = "unknown"
    page_bytes: int = 4096


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """The mapping around an address: [start, start + length), permissions out of "rwx", "" where nothing is
    mapped.
    """

    start: int
    length: int
    permissions: str = ""
    name: str = ""


class Regions(Protocol):
    def region(self, thread: ThreadId, address: int, /) -> RegionInfo:
        """The mapping or the hole that holds `address`."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Everything there is to debug. See each port for its contract."""

    registers: Registers
    memory: Memory
    execution: Execution
    byte_order: Literal["little", "big"] = "little"
    name: str = "target"
    version: str = "0"
    interrupt: Interrupt | None = None
    breakpoints: Breakpoints | None = None
    threads: Threads | None = None
    reverse: Reverse | None = None
    memory_map: MemoryMap | None = None
    features: Features | None = None
    monitor: Monitor | None = None
    search: Search | None = None
    physical_search: Search | None = None
    """The same in `physical`."""
    checksum: Checksum | None = None
    restart: Restart | None = None
    lifecycle: Lifecycle | None = None
    relocation: Relocation | None = None
    system_calls: SystemCalls | None = None
    moments: Moments | None = None
    physical: Memory | None = None
    single_step_mask: SingleStepMask | None = None
    host: Host | None = None
    regions: Regions | None = None
    first_thread: ThreadId = field(default=FIRST_THREAD)
    stops_together: bool = False
    """Whether a stop of one thread is one of all: then several have no non-stop mode."""

    @property
    def offers_non_stop(self) -> bool:
        return not self.stops_together or len(self.thread_list()) == 1

    def thread_list(self) -> Sequence[ThreadId]:
        return [self.first_thread] if self.threads is None else self.threads.threads()
