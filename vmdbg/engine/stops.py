"""What a debugger sets in an engine to end runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.engine.exits import Access, EventKind
from vmdbg.units import CpuId, Linear, Physical


@dataclass(frozen=True, slots=True)
class Breakpoints:
    """All breakpoints at once. Addresses may repeat and need not be mapped."""

    linear: tuple[Linear, ...] = ()
    physical: tuple[Physical, ...] = ()


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """`size` bytes from `address`, linear in whatever address space, or physical through whatever mapping."""

    number: int
    address: int
    size: int
    accesses: frozenset[Access]
    physical: bool = False


@dataclass(frozen=True, slots=True)
class DiskCatch:
    """Requests to drives that are done: of these operations, that move any of the sectors `first` to before `end`.

    Sectors are of 512 bytes; without a `drive` all drives are meant. `lead`: for who looks for them, the ticks before
    each was submitted matter, too, as far as the code at the linear address `asked_at` ran then.
    """

    number: int
    operations: frozenset[str]
    first: int = 0
    end: int = 1 << 64
    drive: str = ""
    lead: int = 0
    asked_at: int = 0

    def is_of(self, drive: str, operation: str, sector: int, count: int) -> bool:
        """Whether it is about such a request."""
        moves = sector < self.end and self.first < sector + max(count, 1)
        return operation in self.operations and self.drive in ("", drive) and moves


@dataclass(frozen=True, slots=True)
class MessageCatch:
    """Message signalled interrupts of these vectors, of all if none is named."""

    number: int
    vectors: frozenset[int] = frozenset()

    def is_of(self, vector: int) -> bool:
        return not self.vectors or vector in self.vectors


@dataclass(frozen=True, slots=True)
class IpiCatch:
    """Interrupts that CPUs send to one another: of these vectors, 2 for the NMI, of all kinds if none is named.

    Without a `sender` or a `receiver` those of all CPUs.
    """

    number: int
    vectors: frozenset[int] = frozenset()
    sender: CpuId | None = None
    receiver: CpuId | None = None

    def is_of(self, sender: int, receivers: Sequence[int], vector: int | None) -> bool:
        if self.sender not in (None, sender) or (self.receiver is not None and self.receiver not in receivers):
            return False
        return not self.vectors or vector in self.vectors


@dataclass(frozen=True, slots=True)
class PacketCatch:
    """Frames of network devices that a filter lets through, in the words of devices.network.packet_filter."""

    number: int
    words: str = ""


DeviceCatch = DiskCatch | MessageCatch | IpiCatch | PacketCatch


@dataclass(frozen=True, slots=True)
class Catches:
    """What to stop for besides breakpoints. With MSR events and no `msrs`, all MSRs.

    vectors: exceptions and INT n. interrupts: the vectors of external interrupts, 2 for the NMI. devices: what they do,
    which the machine sees to.
    """

    vectors: frozenset[int] = frozenset()
    events: frozenset[EventKind] = frozenset()
    msrs: frozenset[int] = frozenset()
    ports: frozenset[int] = frozenset()
    interrupts: frozenset[int] = frozenset()
    devices: tuple[DeviceCatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Stops:
    """All that a debugger has set in an engine."""

    breakpoints: Breakpoints = Breakpoints()
    watchpoints: tuple[Watchpoint, ...] = ()
    catches: Catches = Catches()
