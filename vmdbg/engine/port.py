"""The engine port: what the machine asks of whatever runs guest code.

One CPU, its clock and its memory. The clock counts ticks: bytes of guest code retired. Whatever is asked of an engine
between runs, except writing state, leaves the guest's future as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import Structure
from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import Delivery, Exit, WatchHit
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint
from vmdbg.units import Linear, Physical, Tick


@dataclass(frozen=True, slots=True)
class CpuSnapshot:
    """The CPU between two instructions: clock, architectural state and TLB, as bytes that any process can restore.

    `deliveries` are the last of them, for people: the guest's future does not depend on them.
    """

    clock: Tick
    state: bytes
    tlb: bytes
    deliveries: bytes = b""


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    tlb_fills: int
    page_walks: int
    tlb_flushes: int
    code_drops: int
    exceptions: int
    interrupts: int
    system_calls: int
    single_steps: int


class Bus(Protocol):
    """What the engine calls while code runs. `now` is the tick of the accessing instruction.

    Values are unsigned and little-endian; sizes are 1, 2, 4 or 8 bytes.
    """

    def port_read(self, port: int, size: int, now: int) -> int: ...

    def port_write(self, port: int, size: int, value: int, now: int) -> None: ...

    def memory_read(self, address: int, size: int, now: int) -> int: ...

    def memory_write(self, address: int, size: int, value: int, now: int) -> None: ...

    def acknowledge(self, now: int) -> int:
        """The vector of the interrupt to deliver, -1 for none."""
        ...

    def read_task_priority(self, now: int) -> int: ...

    def write_task_priority(self, value: int, now: int) -> None: ...

    def local_apic_moved(self, scheduled: int, due: int | None, intr: bool) -> None:
        """The engine did what is attach_local_apic()'s, and calls this before anything else of the bus.

        The timer's deadline has been set `scheduled` times and is now `due`; `intr` is what the APIC drives.
        """
        ...


class Engine(Protocol):
    """One x86 CPU over `ram_size` bytes of RAM from physical address 0."""

    @property
    def ram_size(self) -> int: ...

    @property
    def ram(self) -> memoryview:
        """RAM, read-only."""
        ...

    @property
    def clock(self) -> Tick:
        """The tick of rip. While code runs, the bus is told the time instead."""
        ...

    def advance_clock(self, tick: Tick) -> None:
        """Idle time passes: the clock moves forward to `tick`."""
        ...

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        """Run to the first boundary at or after `limit`, or until something else ends the run.

        `over_breakpoint` passes a breakpoint, or an event that is caught, at the first instruction.
        Raises EngineError, or whatever the bus raised.
        """
        ...

    def step(self) -> Exit:
        """Run one instruction, whether or not it has a breakpoint; or deliver what is pending."""
        ...

    def lower_limit(self, tick: Tick) -> None:
        """End the run that is going on at `tick` if it would go further."""
        ...

    def attach_local_apic(self, memory: Structure, page: Physical, latency: int) -> None:
        """The engine may do what the local APIC with these registers would, and tells the bus: local_apic_moved().

        That is the timer's deadline, acknowledges, EOI and the initial count. `latency`: ticks from an access to the
        first deadline that it can set. Raises EngineError if it does not know such registers.
        """
        ...

    def prepare_local_apic(self, due: Tick | None, *, observed: bool) -> None:
        """For the next run: when the timer's deadline is. `observed`: the bus wants acknowledges and accesses itself.

        The run does not end at `due`, unless that is for the bus to do.
        """
        ...

    def schedule_local_apic(self, due: Tick) -> None:
        """While code runs, the timer's deadline was set."""
        ...

    def request_stop(self) -> None:
        """End the run that is going on at the next block."""
        ...

    def interrupt_run(self) -> None:
        """End the run that is going on, or the next one, at its next block. Any thread may call it."""
        ...

    def set_interrupt(self, level: bool) -> None:
        """INTR as the CPU sees it."""
        ...

    @property
    def interrupt(self) -> bool: ...

    def raise_nmi(self) -> None: ...

    @property
    def nmi_pending(self) -> bool: ...

    @property
    def interrupt_due(self) -> bool:
        """Whether an interrupt or NMI is delivered before the next instruction."""
        ...

    @property
    def repeating(self) -> bool:
        """Whether the instruction at rip is a string instruction under REP that has run and goes on."""
        ...

    @property
    def at_breakpoint(self) -> bool:
        """Whether a run that began here would end at once at a breakpoint: not where a repeated instruction goes on."""
        ...

    def set_a20(self, enabled: bool) -> None: ...

    def read_register(self, name: str) -> int:
        """Raises KeyError for a name that is not in `register_names`."""
        ...

    def read_registers(self, names: Iterable[str]) -> list[int]:
        """Several at once, at little more than the price of one. Raises KeyError."""
        ...

    def register_reader(self, name: str) -> Callable[[], int]:
        """What reads one register again and again, as fast as it can be done. Raises KeyError."""
        ...

    @property
    def linear_pc(self) -> Linear:
        """cs.base + rip, as the CPU fetches."""
        ...

    def read_linear(self, address: Linear, size: int) -> bytes:
        """What of RAM the page tables map from `address` on, up to `size` bytes. Leaves no trace in tables or TLB."""
        ...

    def read_integer(self, address: Linear, size: int) -> int | None:
        """The little-endian value of 1 to 8 bytes, as read_linear() reads them; None if they are not all there."""
        ...

    def write_register(self, name: str, value: int) -> None: ...

    def write_registers(self, values: Mapping[str, int]) -> None:
        """Several at once, so that no state in between need make sense."""
        ...

    @property
    def register_names(self) -> Sequence[str]: ...

    def write_ram(self, address: Physical, data: bytes | memoryview) -> None:
        """Write RAM from outside the CPU. Raises ValueError beyond the end of RAM."""
        ...

    def add_rom(self, address: Physical, data: bytes | memoryview) -> None:
        """Memory above RAM with contents, before the first run. Whole pages."""
        ...

    @property
    def roms(self) -> Mapping[int, memoryview]:
        """What add_rom() was given, by physical address, read-only."""
        ...

    def set_breakpoint_filter(self, passes: Callable[[], bool] | None) -> None:
        """Called at each breakpoint that a run meets: if it is True the run goes on as if there were none."""
        ...

    def set_breakpoints(self, breakpoints: Breakpoints) -> None: ...

    def set_watchpoints(self, watchpoints: Iterable[Watchpoint]) -> None: ...

    @property
    def watch_hits(self) -> tuple[WatchHit, ...]:
        """What the last instruction of the last run touched, also where something else ended that, as HLT."""
        ...

    def set_catches(self, catches: Catches) -> None: ...

    @property
    def stops(self) -> Stops:
        """What the three above were last given."""
        ...

    def delivery(self, back: int = 1, /) -> Delivery | None:
        """The last delivery, or the one before it for 2, and so on; None if there is none or it is no longer known."""
        ...

    def deliveries(self) -> tuple[Delivery, ...]:
        """The last deliveries, oldest first."""
        ...

    @property
    def delivery_count(self) -> int:
        """How many there have been; not part of the guest's state."""
        ...

    @property
    def deliveries_now(self) -> int:
        """How many of the last ones came at this tick, restore() aside."""
        ...

    def snapshot(self) -> CpuSnapshot: ...

    def restore(self, snapshot: CpuSnapshot) -> None:
        """Take over a CPU. RAM is the caller's to restore, with restore_ram()."""
        ...

    def restore_ram(self, address: Physical, data: bytes | memoryview) -> None:
        """Put RAM back without marking it dirty. Whole pages."""
        ...

    def dirty_pages(self) -> bytes:
        """A byte for each page of RAM: nonzero if it may have changed since clean_pages()."""
        ...

    def clean_pages(self) -> None: ...

    def cpu_digest_bytes(self) -> bytes:
        """All that the guest could tell of its CPU, TLB included."""
        ...

    def statistics(self) -> EngineStatistics: ...

    def close(self) -> None: ...
