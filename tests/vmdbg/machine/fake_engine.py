"""An engine without a CPU: a list of made-up instructions, so that the machine around it can be tested alone.

It keeps the engine port's rules of time: a tick is a byte retired, deadlines and interrupts come at boundaries.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import Structure
from dataclasses import dataclass, replace

from vmdbg.engine.exits import (
    BreakpointHit,
    Delivery,
    DeliveryKind,
    ExceptionDelivered,
    Exit,
    Halted,
    LimitReached,
    Stepped,
    StopRequested,
    TripleFault,
    WatchHit,
)
from vmdbg.engine.interrupts import Deadline
from vmdbg.engine.memory import Contents, Region, ram_regions
from vmdbg.engine.port import Bus
from vmdbg.engine.processor import Awaited, CpuSnapshot, EngineStatistics, TurnState
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint
from vmdbg.engine.touches import Touches
from vmdbg.machine.machine import EngineFactory
from vmdbg.units import BOOT_CPU, CpuId, Linear, Physical, Tick
from vmdbg.x86.cpuid import CpuidTable

RFLAGS_IF = 0x200
NMI_VECTOR = 2
PAGE = 4096


@dataclass(frozen=True)
class Nop:
    size: int = 1


@dataclass(frozen=True)
class Out:
    port: int
    value: int
    width: int = 1
    size: int = 2


@dataclass(frozen=True)
class In:
    """What is read goes to `rax`."""

    port: int
    width: int = 1
    size: int = 2


@dataclass(frozen=True)
class Interrupts:
    """STI and CLI."""

    enabled: bool
    size: int = 1


@dataclass(frozen=True)
class Halt:
    size: int = 1


@dataclass(frozen=True)
class Jump:
    """To the instruction of that number."""

    to: int
    size: int = 2


@dataclass(frozen=True)
class Die:
    """Three faults at once; nothing retires."""

    size: int = 0


Instruction = Nop | Out | In | Interrupts | Halt | Jump | Die


class FakeCpu:
    """The one there is, from outside. Its pins are the machine's to see, its sleep too."""

    def __init__(self, interrupts_enabled: Callable[[], bool]) -> None:
        self._interrupts_enabled = interrupts_enabled
        self.halted = False
        self.waits_for_sipi = False
        self.interrupt = False
        self.nmi_pending = False

    def set_interrupt(self, level: bool) -> None:
        self.interrupt = level

    def raise_nmi(self) -> None:
        self.nmi_pending = True

    def drop_nmi(self) -> None:
        self.nmi_pending = False

    @property
    def can_run(self) -> bool:
        return not self.halted or self.nmi_pending or (self.interrupt and self._interrupts_enabled())


class FakeEngine:
    """`rip` is the number of the next instruction. Interrupts are delivered and go on at the same instruction."""

    def __init__(self, ram_size: int, bus: Bus, program: Sequence[Instruction]) -> None:
        self._bus = bus
        self._program = program
        self._ram = bytearray(ram_size)
        self._dirty = set[int]()
        self.region_changes: list[tuple[Region, ...]] = []
        self._registers = {"rip": 0, "rax": 0, "rflags": 2, "tsc_offset": 0}
        self._clock = 0
        self._limit = 0
        self._stop = False
        self._due: int | None = None
        self._deliveries: list[Delivery] = []
        self.cpus = (FakeCpu(self._interrupts_enabled),)
        self.selected = BOOT_CPU
        self.turn = TurnState()
        self.turn_over = False
        self.a20: list[bool] = []
        self.stops = Stops()
        self.closed = False

    @classmethod
    def of(cls, *program: Instruction) -> EngineFactory:
        """A machine's EngineFactory."""

        def make(ram_size: int, bus: Bus, cpuid: Sequence[CpuidTable], device_memory: int = 0) -> FakeEngine:
            assert not device_memory
            assert len(cpuid) == 1
            return cls(ram_size, bus, program)

        return make

    # Processor

    @property
    def clock(self) -> Tick:
        return Tick(self._clock)

    def advance_clock(self, tick: Tick) -> None:
        assert tick >= self._clock, "time goes forward"
        self._clock = tick

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        self._limit = limit if self._due is None else min(limit, self._due)
        self._stop = False
        while self._clock < self._limit:
            if self._stop:
                return StopRequested()
            if self.at_breakpoint and not over_breakpoint:
                return BreakpointHit()
            over_breakpoint = False
            exit_ = self._one()
            if not isinstance(exit_, Stepped):
                return exit_
        return StopRequested() if self._stop else LimitReached()

    def step(self) -> Exit:
        return self._one()

    def _one(self) -> Exit:
        if self._deliver():
            return Stepped()
        instruction = self._program[self._registers["rip"]]
        self._registers["rip"] += 1
        now = self._clock
        match instruction:
            case Out(port, value, width):
                self._bus.port_write(port, width, value, now)
            case In(port, width):
                self._registers["rax"] = self._bus.port_read(port, width, now)
            case Interrupts(enabled):
                self._registers["rflags"] = 2 | (RFLAGS_IF if enabled else 0)
            case Jump(to):
                self._registers["rip"] = to
            case Die():
                self._registers["rip"] -= 1
                return TripleFault()
        self._clock += instruction.size
        self.cpus[0].halted = isinstance(instruction, Halt)
        return Halted() if self.cpus[0].halted else Stepped()

    def _deliver(self) -> bool:
        if not self.interrupt_due:
            return False
        nmi, self.cpus[0].nmi_pending = self.cpus[0].nmi_pending, False
        vector = NMI_VECTOR if nmi else self._bus.acknowledge(self._clock)
        if vector < 0:
            return False
        rip = self._registers["rip"]
        kind = DeliveryKind.NMI if nmi else DeliveryKind.EXTERNAL
        struck = Delivery(Tick(self._clock), kind, vector, 0, rip, Linear(rip), 0, 0, Linear(0), rip, 0, 64, b"")
        self._deliveries.append(struck)
        return True

    def lower_limit(self, tick: Tick) -> None:
        self._limit = min(self._limit, tick)

    def request_stop(self) -> None:
        self._stop = True

    def attend_behind(self) -> None:
        """It looks at every boundary."""

    def stop_behind(self) -> None:
        self.request_stop()

    def interrupt_run(self) -> None:
        self._stop = True

    def _interrupts_enabled(self) -> bool:
        return bool(self._registers["rflags"] & RFLAGS_IF)

    @property
    def interrupt_due(self) -> bool:
        cpu = self.cpus[0]
        return cpu.nmi_pending or (cpu.interrupt and self._interrupts_enabled())

    # Processors: one, whose turn never ends

    def select(self, cpu: CpuId) -> None:
        assert cpu == BOOT_CPU

    def set_turn(self, turn: TurnState) -> None:
        raise NotImplementedError

    def begin_turn(self, cpu: CpuId, quantum: int, *, exact: bool) -> None:
        raise NotImplementedError

    def end_turn(self) -> None:
        raise NotImplementedError

    def next_turn(self) -> bool:
        raise NotImplementedError

    def set_round_robin(self, quantum: int) -> None:
        raise NotImplementedError

    def await_turn(self, awaited: CpuId | Awaited) -> None:
        raise NotImplementedError

    @property
    def turns_begun(self) -> int:
        raise NotImplementedError

    def set_a20(self, enabled: bool) -> None:
        self.a20.append(enabled)

    def snapshot(self) -> CpuSnapshot:
        return CpuSnapshot(self.clock, json.dumps(self._registers).encode(), b"")

    def restore(self, snapshot: CpuSnapshot) -> None:
        self._clock = snapshot.clock
        self._registers = json.loads(snapshot.state)
        self.cpus[0].drop_nmi()

    def cpu_digest_bytes(self) -> bytes:
        return self.snapshot().state

    def statistics(self) -> EngineStatistics:
        return EngineStatistics(0, 0, 0, 0, 0, len(self._deliveries), 0, 0)

    # PhysicalMemory: RAM alone

    @property
    def ram_size(self) -> int:
        return len(self._ram)

    @property
    def ram(self) -> memoryview:
        return memoryview(self._ram).toreadonly()

    @property
    def memory(self) -> memoryview:
        return self.ram

    @property
    def page_count(self) -> int:
        return len(self._ram) // PAGE

    @property
    def regions(self) -> Sequence[Region]:
        return ram_regions(len(self._ram))

    def set_regions(self, regions: Sequence[Region]) -> None:
        self.region_changes.append(tuple(regions))

    def add_rom(self, data: bytes | memoryview) -> int:
        raise NotImplementedError

    def is_readable(self, address: Physical, size: int) -> bool:
        return 0 <= address <= address + size <= len(self._ram)

    def is_writable(self, address: Physical, size: int) -> bool:
        return self.is_readable(address, size)

    def read_physical(self, address: Physical, size: int) -> bytes:
        return bytes(self._ram[address : address + size]).ljust(size, b"\xff")

    def write_physical(self, address: Physical, data: bytes | memoryview) -> None:
        in_ram = data[: max(0, len(self._ram) - address)]
        if len(in_ram):
            self.write_memory(address, in_ram)

    def write_ram(self, address: Physical, data: bytes | memoryview) -> None:
        self.write_memory(address, data)

    def write_memory(self, at: int, data: bytes | memoryview) -> None:
        if at + len(data) > len(self._ram):
            raise ValueError("beyond the end of RAM")
        self._ram[at : at + len(data)] = data
        self._dirty |= set(range(at // PAGE, -(-(at + len(data)) // PAGE)))

    def read_memory(self, at: int, size: int) -> bytes:
        return bytes(self._ram[at : at + size])

    def owe_pages(self, numbers: array[int], contents: Contents) -> bool:
        return False

    def owed_pages(self) -> bytes:
        return b""

    def restore_pages(self, pages: Iterable[tuple[int, bytes | memoryview]]) -> None:
        for number, data in pages:
            if (number + 1) * PAGE > len(self._ram) or len(data) != PAGE:
                raise ValueError("no page of RAM")
            self._ram[number * PAGE : (number + 1) * PAGE] = data

    def dirty_pages(self) -> Sequence[int]:
        return sorted(self._dirty)

    def clean_pages(self) -> None:
        self._dirty.clear()

    # Inspection

    @property
    def register_names(self) -> Sequence[str]:
        return tuple(self._registers)

    def read_register(self, name: str) -> int:
        return self._registers[name]

    def read_registers(self, names: Iterable[str]) -> list[int]:
        return [self._registers[name] for name in names]

    def register_reader(self, name: str) -> Callable[[], int]:
        return lambda: self._registers[name]

    def write_register(self, name: str, value: int) -> None:
        self._registers[name] = value

    def write_registers(self, values: Mapping[str, int]) -> None:
        self._registers |= values

    @property
    def linear_pc(self) -> Linear:
        return Linear(self._registers["rip"])

    def translate(self, address: Linear) -> Physical | None:
        return Physical(address)

    def read_linear(self, address: Linear, size: int) -> bytes:
        return bytes(self._ram[address : address + size])

    def read_integer(self, address: Linear, size: int) -> int | None:
        data = self.read_linear(address, size)
        return int.from_bytes(data, "little") if len(data) == size else None

    def delivery(self, back: int = 1, /) -> Delivery | None:
        return self._deliveries[-back] if back <= len(self._deliveries) else None

    def deliveries(self) -> tuple[Delivery, ...]:
        return tuple(self._deliveries)

    @property
    def delivery_count(self) -> int:
        return len(self._deliveries)

    @property
    def instant(self) -> tuple[Tick, int]:
        return self.clock, self.delivery_count

    @property
    def deliveries_now(self) -> int:
        return sum(one.tick == self._clock for one in self._deliveries)

    @property
    def watch_hits(self) -> tuple[WatchHit, ...]:
        return ()

    # StopControl

    def set_breakpoint_filter(self, passes: Callable[[], bool] | None) -> None:
        assert passes is None

    def set_delivery_filter(self, passes: Callable[[ExceptionDelivered], bool] | None) -> None:
        """It need not be called: whoever sets one hears of what ends a run, too."""

    def set_breakpoints(self, breakpoints: Breakpoints) -> None:
        self.stops = replace(self.stops, breakpoints=breakpoints)

    def set_watchpoints(self, watchpoints: Iterable[Watchpoint]) -> None:
        """The made-up instructions access no memory: those of devices are the machine's to see."""
        self.stops = replace(self.stops, watchpoints=tuple(watchpoints))

    catches_ipis = False

    def set_catches(self, catches: Catches) -> None:
        pass

    @property
    def repeating(self) -> bool:
        return False

    @property
    def at_breakpoint(self) -> bool:
        return self.linear_pc in self.stops.breakpoints.linear

    # InterruptHelper: the devices do it all

    def attach_local_apic(self, cpu: CpuId, memory: Structure, page: Physical, latency: int) -> None:
        pass

    def attach_pic_and_pit(self, pic: Structure, pit: Structure, io_apic: Structure | None) -> None:
        pass

    def prepare_interrupts(self, timers: Sequence[Deadline | None], out0: Deadline | None, *, observed: bool) -> None:
        self._due = min((deadline.due for deadline in (*timers, out0) if deadline is not None), default=None)

    def schedule_timer(self, cpu: CpuId, due: Tick) -> None:
        self.lower_limit(due)

    def schedule_out0(self, due: Tick) -> None:
        self.lower_limit(due)

    # PortHelper: the devices answer all

    def share_plain_ports(self, ports: range, memory: Structure) -> None:
        pass

    def share_stream_port(self, port: int, memory: Structure) -> None:
        pass

    def share_pm_timer(self, memory: Structure) -> None:
        pass

    def share_vga(self, vga: Structure, at: int, size: int) -> None:
        pass

    # TouchTracking: it may all have been touched

    def device_read(self, address: int, size: int) -> bytes:
        return self.read_physical(Physical(address), size)

    def device_write(self, address: int, data: bytes) -> None:
        self.write_physical(Physical(address), data)

    def begin_touches(self) -> None: ...

    def end_touches(self) -> Touches:
        return Touches(b"", b"", b"", b"", b"", b"", everything=True)

    def drop_touches(self) -> None: ...

    def close(self) -> None:
        self.closed = True
