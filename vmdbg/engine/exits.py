"""What ends a run of guest code, and what is delivered in it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from vmdbg.units import BOOT_CPU, CpuId, Linear, Physical, Tick


class DeliveryKind(enum.Enum):
    """What was delivered through the IDT or IVT (SDM 3A 6.3)."""

    EXCEPTION = 0
    SOFTWARE = 1
    EXTERNAL = 2
    NMI = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery. `rip` is where it struck, `handler` where it went (0 if it faulted again); `cpl` was the ring.

    `linear_pc` is cs.base + rip; `rsp` and `cr3` are those of what it struck; `width` is 16, 32 or 64, of the
    code segment; `code` is the bytes at rip, of #UD only; `cpu` is the one that took it.

    `error_code` and `cr2` are the values then; they mean something only for the vectors that have them.
    """

    tick: Tick
    kind: DeliveryKind
    vector: int
    error_code: int
    rip: int
    linear_pc: Linear
    rsp: int
    cr3: int
    cr2: Linear
    handler: int
    cpl: int
    width: int
    code: bytes
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The first instruction boundary at or after the limit."""


@dataclass(frozen=True, slots=True)
class Halted:
    """HLT retired: rip is after it."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """One instruction retired, or one interrupt or exception was delivered instead."""


@dataclass(frozen=True, slots=True)
class BreakpointHit:
    """The instruction at rip has a breakpoint and has not run."""


class Access(enum.Enum):
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class WatchHit:
    """One access that touched the watchpoint numbered `number`.

    `old` is what was there before it, of an instruction's at most 16 bytes, and `new` as much of what was there after
    it: of an instruction once somebody has looked, or where a device has written there since. `pc` is the linear
    address of the instruction that made it. With `device` it was a device of that name that did, for its `request`:
    `pc` means nothing then, and `linear` is where the watchpoint sees it.
    """

    number: int
    access: Access
    linear: Linear
    physical: Physical
    size: int
    old: bytes
    pc: Linear = Linear(0)  # noqa: RUF009 - an integer
    device: str = ""
    request: str = ""
    new: bytes = b""

    def looked_at(self, read: Callable[[Physical, int], bytes]) -> WatchHit:
        """With what is there now that the access was made, if that is not known better."""
        return self if self.new else replace(self, new=read(self.physical, min(self.size, len(self.old))))


@dataclass(frozen=True, slots=True)
class WatchpointHit:
    """The instruction before rip made these accesses, and has retired; or devices did, at this boundary."""

    hits: tuple[WatchHit, ...]


@dataclass(frozen=True, slots=True)
class ExceptionDelivered:
    """A caught vector was delivered: rip is at the handler's first instruction."""

    delivery: Delivery


class EventKind(enum.Enum):
    """Instructions that can be caught before they run."""

    CR3_LOAD = "cr3"
    MODE_SWITCH = "mode"
    MSR_READ = "rdmsr"
    MSR_WRITE = "wrmsr"
    PORT_READ = "in"
    PORT_WRITE = "out"
    RING = "ring"
    MAGIC = "magic"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class EventCaught:
    """The instruction at rip is about to cause the event.

    `subject`: the port, the MSR, or the present ring or value of the control register; `value`: what is about to be
    written, or the ring to come. MAGIC is XCHG BX,BX, and LOCKED what has a LOCK prefix or exchanges with memory: the
    run ends as for a breakpoint, with BreakpointHit.
    """

    kind: EventKind
    subject: int
    value: int


@dataclass(frozen=True, slots=True)
class TripleFault:
    """Shutdown: the last deliveries say how it came to it."""


@dataclass(frozen=True, slots=True)
class VoidFetch:
    """The guest went on to execute where there is no memory; rip is there."""

    linear: Linear
    physical: Physical


@dataclass(frozen=True, slots=True)
class StopRequested:
    """request_stop() was called while code ran."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """The guest takes one exception after another and retires nothing."""


@dataclass(frozen=True, slots=True)
class TurnOver:
    """The turn of the CPU that ran is over and the next has not been chosen; or that of the awaited CPU comes."""


Exit = (
    LimitReached
    | Halted
    | Stepped
    | BreakpointHit
    | WatchpointHit
    | ExceptionDelivered
    | EventCaught
    | TripleFault
    | VoidFetch
    | StopRequested
    | Stuck
    | TurnOver
)
