"""The engine port on Unicorn: the native part seen from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import Structure, addressof, sizeof
from dataclasses import replace
from typing import TypeVar

from vmdbg.engine.exits import ExceptionDelivered, Exit, WatchHit
from vmdbg.engine.inspection import AddressLines
from vmdbg.engine.interrupts import Deadline
from vmdbg.engine.memory import loaded_parts
from vmdbg.engine.native import _native
from vmdbg.engine.port import Bus
from vmdbg.engine.processor import CpuSnapshot, EngineStatistics
from vmdbg.engine.stops import Breakpoints, Catches, IpiCatch, Stops, Watchpoint
from vmdbg.engine.touches import Touches
from vmdbg.engine.unicorn.callbacks import NEVER
from vmdbg.engine.unicorn.cpus import MOST_CPUS, NativeCpu, NativeTurns
from vmdbg.engine.unicorn.deliveries import NativeDeliveries
from vmdbg.engine.unicorn.memory import GuestMemory
from vmdbg.engine.unicorn.native_values import (
    are_deliveries,
    exit_of,
    last_delivery,
    load_catches,
    load_cpuid,
    load_watchpoints,
    touches,
    watch_hits,
)
from vmdbg.engine.unicorn.registers import GENERAL, MACHINE_CHECK, PKRU, RANDOM, REGISTERS, YMM, YMM_HIGH
from vmdbg.errors import EngineError
from vmdbg.units import BOOT_CPU, PAGE_SIZE, CpuId, Linear, Physical, Tick
from vmdbg.x86.cpuid import CpuidTable
from vmdbg.x86.ram import A20

ffi, lib = _native.ffi, _native.lib

ENGINE_VERSION = "Unicorn 2.1.4"
"""Whose translations a recording was made with."""
STATE_SIZE: int = ffi.offsetof("VmState", "extended")
"""Bytes of CpuSnapshot.state that every model has: another size is another layout."""
WHOLE_STATE: int = ffi.sizeof("VmState")
"""With what older models have not."""
ADDRESS_SIZES, UNTOLD_PHYSICAL_BITS = 0x8000_0008, 36
"""The leaf of CPUID that has MAXPHYADDR in AL, and what it is without one (SDM 3A 4.1.4)."""
STATE_DIGESTED: int = ffi.offsetof("VmState", "float_status")
"""Bytes of it that count for a digest."""
PAGING_REGISTERS = {"cr0", "cr3", "cr4", "efer"}
"""Writing them empties the TLB, as it does when the guest writes them."""
PLACE_REGISTERS = {"rip", "cs", "cs_base"}
"""Writing them takes the CPU elsewhere."""
UNMAPPED = (1 << 64) - 1
_T = TypeVar("_T")
EXIT_BREAKPOINT, EXIT_EXCEPTION, EXIT_ENGINE_ERROR = lib.EXIT_BREAKPOINT, lib.EXIT_EXCEPTION, lib.EXIT_ENGINE_ERROR


class UnicornEngine(GuestMemory, NativeTurns, NativeDeliveries):
    """A virtual CPU for each table of `cpuid`, `ram_size` bytes of RAM and `device_memory` bytes more, whole pages all.

    `bus` answers ports, what is no memory, and interrupt acknowledges.
    """

    def __init__(self, ram_size: int, bus: Bus, cpuid: Sequence[CpuidTable], device_memory: int = 0) -> None:
        """Raises EngineError if it cannot be made."""
        if not 0 < len(cpuid) <= MOST_CPUS:
            raise EngineError(f"an engine has 1 to {MOST_CPUS} CPUs, not {len(cpuid)}")
        self._handle = ffi.new_handle(self)
        super().__init__(ram_size, device_memory, len(cpuid), self._handle)
        self.cpus = tuple(NativeCpu(self._vm, CpuId(number)) for number in range(len(cpuid)))
        self.bus = bus
        self.port_read, self.port_write = bus.port_read, bus.port_write
        self.memory_read, self.memory_write = bus.memory_read, bus.memory_write
        self.acknowledge = bus.acknowledge
        self._chips = self._vm.chips
        self._timers = [self._vm.cpus[number].apic.timer for number in range(len(cpuid))]
        self._out0 = self._chips.out0
        self._apic_memory: list[Structure] = []
        self._shared: list[Structure] = []
        self._state = ffi.new("VmState *")
        self._state_size = WHOLE_STATE if any(map(_is_extended, cpuid)) else STATE_SIZE
        features = cpuid[0].features()
        missing = () if "avx" in features else (*YMM, *YMM_HIGH)
        missing += () if "mca" in features else MACHINE_CHECK
        missing += () if "pku" in features else (PKRU,)
        missing += () if features & {"rdrand", "rdseed"} else (RANDOM,)
        self._register_names = tuple(name for name in REGISTERS if name not in missing)
        bits = cpuid[0].cpuid(ADDRESS_SIZES)[0] & 0xFF if cpuid[0].max_extended >= ADDRESS_SIZES else 0
        self._lines = AddressLines(bits or UNTOLD_PHYSICAL_BITS, "pdpe1gb" in features)
        self._word = ffi.new("uint64_t[1]")
        self._filters: dict[int, Callable[[], bool]] = {}
        """Who is asked where a run would end so."""
        self.stops = Stops()
        self.catches_ipis = False
        for number, table in enumerate(cpuid):
            self.select(CpuId(number))
            load_cpuid(self._vm, table)
        self.select(BOOT_CPU)

    @property
    def clock(self) -> Tick:
        return self._vm.clock

    @property
    def instant(self) -> tuple[Tick, int]:
        vm = self._vm
        return vm.clock, vm.delivery_count

    def advance_clock(self, tick: Tick) -> None:
        if tick < self._vm.clock:
            raise ValueError(f"the clock is at {self._vm.clock} and cannot go back to {tick}")
        self._vm.clock = tick

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        self._prepare(over_breakpoint)
        lib.vm_take_signals()
        code = lib.vm_run(self._vm, limit)
        return self._exit(self._run_past(code) if code in self._filters else code)

    def _run_past(self, code: int) -> int:
        """From one stop that is filtered to the next, until one ends the run or something else does."""
        vm, run, filters = self._vm, lib.vm_run, self._filters
        while (passes := filters.get(code)) is not None and self._exception is None and passes():
            vm.breakpoint_suppressed = code == EXIT_BREAKPOINT
            vm.catch_skip_tick = NEVER
            code = run(vm, vm.bound)
        return code

    def step(self) -> Exit:
        self._prepare(over_breakpoint=True)
        return self._exit(lib.vm_step(self._vm))

    def _prepare(self, over_breakpoint: bool) -> None:
        self._vm.breakpoint_suppressed = over_breakpoint
        self._vm.catch_skip_tick = self._vm.clock if over_breakpoint else NEVER

    def _exit(self, code: int) -> Exit:
        self.raise_kept()
        if code != EXIT_ENGINE_ERROR:
            return exit_of(self._vm, code)
        rip, error = self.read_register("rip"), self._vm.exit_detail
        raise EngineError(f"Unicorn stopped with error {error} at rip={rip:#x}, tick {self.clock}")

    def lower_limit(self, tick: Tick) -> None:
        lib.clock_lower_limit(self._vm, tick)

    def attach_local_apic(self, cpu: CpuId, memory: Structure, page: Physical, latency: int) -> None:
        self._apic_memory.append(memory)  # the native part goes on using it
        if not lib.apic_attach(self._vm, cpu, *_place(memory), page, latency):
            raise EngineError(f"the native part knows no local APIC whose registers take {sizeof(memory)} bytes")

    def attach_pic_and_pit(self, pic: Structure, pit: Structure, io_apic: Structure | None) -> None:
        self._chips_memory = (pic, pit, io_apic)  # the native part goes on using them
        if not lib.pic_attach(self._vm, *_place(pic), *_place(pit), *_place(io_apic)):
            sizes = [_place(chip)[1] for chip in self._chips_memory]
            raise EngineError(f"the native part knows no 8259A, 8254 and I/O APIC whose registers take {sizes} bytes")

    def share_plain_ports(self, ports: range, memory: Structure) -> None:
        self._shared.append(memory)  # the native part goes on using it
        if not lib.vm_share_plain(self._vm, ports.start, len(ports), *_place(memory)):
            raise EngineError(f"the native part shares no ports of {sizeof(memory)} bytes at {ports.start:#x}")

    def share_stream_port(self, port: int, memory: Structure) -> None:
        self._shared.append(memory)
        if not lib.vm_share_stream(self._vm, port, *_place(memory)):
            raise EngineError(f"the native part shares no port {port:#x} of {sizeof(memory)} bytes")

    def share_pm_timer(self, memory: Structure) -> None:
        self._shared.append(memory)
        if not lib.vm_share_pm_timer(self._vm, *_place(memory)):
            raise EngineError(f"the native part shares no PM timer of {sizeof(memory)} bytes")

    def share_vga(self, vga: Structure, at: int, size: int) -> None:
        self._shared.append(vga)
        if not lib.vm_share_vga(self._vm, *_place(vga), at, size):
            raise EngineError(f"the native part shares no VGA of {sizeof(vga)} bytes with {size:#x} bytes of memory")

    def prepare_interrupts(self, timers: Sequence[Deadline | None], out0: Deadline | None, *, observed: bool) -> None:
        self._chips.observed = observed
        for native, timer in zip(self._timers, timers, strict=True):
            _set_deadline(native, timer)
        _set_deadline(self._out0, out0)

    def schedule_timer(self, cpu: CpuId, due: Tick) -> None:
        lib.interrupts_schedule_timer(self._vm, cpu, due)

    def schedule_out0(self, due: Tick) -> None:
        lib.interrupts_schedule_out0(self._vm, due)

    def request_stop(self) -> None:
        lib.vm_request_stop(self._vm)

    def attend_behind(self) -> None:
        lib.vm_attend_behind(self._vm)

    def stop_behind(self) -> None:
        lib.vm_stop_behind(self._vm)

    def interrupt_run(self) -> None:
        if self._vm != ffi.NULL:
            lib.vm_interrupt(self._vm)

    @property
    def interrupt_due(self) -> bool:
        return bool(lib.vm_interrupt_due(self._vm))

    @property
    def repeating(self) -> bool:
        return bool(self._vm.cpu.repeating)

    @property
    def at_breakpoint(self) -> bool:
        return bool(lib.vm_at_breakpoint(self._vm))

    def set_a20(self, enabled: bool) -> None:
        lib.vm_set_a20(self._vm, enabled)
        self._lines = replace(self._lines, a20=bool(enabled))

    @property
    def address_lines(self) -> AddressLines:
        return self._lines

    @property
    def register_names(self) -> Sequence[str]:
        return self._register_names

    def read_register(self, name: str) -> int:
        accessor = REGISTERS[name]
        lib.vm_get_state(self._vm, self._state)
        return accessor.read(self._state)

    def read_registers(self, names: Iterable[str]) -> list[int]:
        """Several at once, at the price of one."""
        lib.vm_get_state(self._vm, self._state)
        return [REGISTERS[name].read(self._state) for name in names]

    def register_reader(self, name: str) -> Callable[[], int]:
        if name in GENERAL:
            index, vm = GENERAL.index(name), self._vm
            if len(self.cpus) > 1:
                return lambda: lib.vm_general(vm)[index]
            general = lib.vm_general(vm)
            return lambda: general[index]
        REGISTERS[name]
        return lambda: self.read_register(name)

    @property
    def linear_pc(self) -> Linear:
        return Linear(lib.vm_linear_pc(self._vm))

    def translate(self, address: Linear) -> Physical | None:
        physical = lib.vm_translate(self._vm, address)
        self.raise_failed()
        if physical == UNMAPPED:
            return None
        return Physical(physical if self._lines.a20 else physical & ~A20)

    def read_linear(self, address: Linear, size: int) -> bytes:
        if not self._lines.a20:
            return self._read_gated(address, size)
        data = bytearray(size)
        read = lib.vm_read_linear(self._vm, address, ffi.from_buffer("uint8_t[]", data), size)
        self.raise_failed()
        return bytes(data if read == size else memoryview(data)[:read])

    def _read_gated(self, address: Linear, size: int) -> bytes:
        """Page by page, where address line 20 is held low: the native side reads past that."""
        read = b""
        while len(read) < size:
            place = Linear(address + len(read))
            length = min(size - len(read), PAGE_SIZE - place % PAGE_SIZE)
            physical = self.translate(place)
            known = loaded_parts(self.regions, physical, length) if physical is not None else ()
            if physical is None or sum(end - start for start, end, _ in known) < length:
                break
            read += self.read_physical(physical, length)
        return read

    def read_integer(self, address: Linear, size: int) -> int | None:
        if not self._lines.a20:
            data = self._read_gated(address, size)
            return int.from_bytes(data, "little") if len(data) == size else None
        word = self._word
        found = lib.vm_read_value(self._vm, address, size, word)
        self.raise_failed()
        return word[0] if found else None

    def write_register(self, name: str, value: int) -> None:
        self.write_registers({name: value})

    def write_registers(self, values: Mapping[str, int]) -> None:
        """Several at once, so that no state in between need make sense."""
        lib.vm_get_state(self._vm, self._state)
        for name, value in values.items():
            REGISTERS[name].write(self._state, value)
        if values.keys() & PLACE_REGISTERS:
            self._state.repeating = 0
        lib.vm_set_state(self._vm, self._state)
        if values.keys() & PAGING_REGISTERS:
            lib.tlb_drop_all(self._vm.cpu)

    def set_breakpoint_filter(self, passes: Callable[[], bool] | None) -> None:
        self._filter(EXIT_BREAKPOINT, passes)

    def set_delivery_filter(self, passes: Callable[[ExceptionDelivered], bool] | None) -> None:
        def passes_last() -> bool:
            vm = self._vm
            return vm.clock < vm.bound and not vm.watch_hit_count and passes is not None and passes(last_delivery(vm))

        self._filter(EXIT_EXCEPTION, passes_last if passes is not None else None)

    def _filter(self, code: int, passes: Callable[[], bool] | None) -> None:
        if passes is None:
            self._filters.pop(code, None)
        else:
            self._filters[code] = passes

    def set_breakpoints(self, breakpoints: Breakpoints) -> None:
        self.stops = replace(self.stops, breakpoints=breakpoints)
        linear, physical = breakpoints.linear, breakpoints.physical
        lib.vm_set_breakpoints(
            self._vm, ffi.new("uint64_t[]", linear), len(linear), ffi.new("uint64_t[]", physical), len(physical)
        )

    def set_watchpoints(self, watchpoints: Iterable[Watchpoint]) -> None:
        wanted = tuple(watchpoints)
        self.stops = replace(self.stops, watchpoints=wanted)
        load_watchpoints(self._vm, wanted)

    @property
    def watch_hits(self) -> tuple[WatchHit, ...]:
        return watch_hits(self._vm)

    def set_catches(self, catches: Catches) -> None:
        self.stops = replace(self.stops, catches=catches)
        self.catches_ipis = any(isinstance(one, IpiCatch) for one in catches.devices)
        load_catches(self._vm, catches)

    def snapshot(self) -> CpuSnapshot:
        first, *others = self._of_all(self._save_cpu)
        return CpuSnapshot(self.clock, *first, self.save_deliveries(), tuple(others))

    def _save_cpu(self) -> tuple[bytes, bytes]:
        lib.vm_get_state(self._vm, self._state)
        return bytes(ffi.buffer(self._state, self._state_size)), self._tlb()

    def _of_all(self, read: Callable[[], _T]) -> list[_T]:
        """What is read of each CPU while it is selected."""
        if len(self.cpus) == 1:
            return [read()]
        before, found = self.selected, []
        for number in range(len(self.cpus)):
            lib.vm_select(self._vm, number)
            found.append(read())
        lib.vm_select(self._vm, before)
        return found

    def _tlb(self) -> bytes:
        cpu = self._vm.cpu
        count = lib.tlb_export(cpu, ffi.NULL, 0)
        pairs = ffi.new("uint64_t[]", 2 * count)
        lib.tlb_export(cpu, pairs, count)
        return bytes(ffi.buffer(pairs))

    def restore(self, snapshot: CpuSnapshot) -> None:
        saved = ((snapshot.state, snapshot.tlb), *snapshot.others)
        if any(len(state) != self._state_size or len(tlb) % 16 for state, tlb in saved) or not are_deliveries(
            snapshot.deliveries
        ):
            raise EngineError("the snapshot's CPU state was made by another version of the engine")
        if len(saved) != len(self.cpus):
            raise EngineError(f"the snapshot is of {len(saved)} CPUs, and there are {len(self.cpus)}")
        for number, (state, tlb) in reversed(list(enumerate(saved))):
            lib.vm_select(self._vm, number)
            ffi.memmove(self._state, state, len(state))
            lib.vm_set_state(self._vm, self._state)
            lib.tlb_import(self._vm.cpu, ffi.cast("uint64_t *", ffi.from_buffer(tlb)), len(tlb) // 16)
            self._vm.cpu.nmi = 0
        self._lines = replace(self._lines, a20=bool(self._state.a20_mask & A20))
        self._vm.clock = snapshot.clock
        self._vm.tick_deliveries = 0
        self.restore_deliveries(snapshot.deliveries)

    def begin_touches(self) -> None:
        lib.touched_begin(self._vm, True)

    def end_touches(self) -> Touches:
        return touches(self._vm)

    def drop_touches(self) -> None:
        lib.touched_begin(self._vm, False)

    def flush_caches(self) -> None:
        """Drop all translated code and Unicorn's TLB. The guest cannot tell; tests hold that against it."""
        lib.vm_flush_caches(self._vm)

    def cpu_digest_bytes(self) -> bytes:
        return b"".join(self._of_all(self._digest_cpu))

    def _digest_cpu(self) -> bytes:
        lib.vm_get_state(self._vm, self._state)
        whole = bytes(ffi.buffer(self._state))
        return whole[:STATE_DIGESTED] + whole[STATE_SIZE : self._state_size] + self._tlb()

    def statistics(self) -> EngineStatistics:
        vm = self._vm
        return EngineStatistics(
            vm.fills,
            vm.walks,
            vm.flushes,
            vm.code_drops,
            vm.exceptions,
            vm.interrupts,
            vm.system_calls,
            vm.single_steps,
        )

    def close(self) -> None:
        """Free the engine, whoever still refers to it. Nothing else may be called afterwards but close()."""
        lib.vm_free(self._vm)
        self._vm = ffi.NULL
        self.give_back()


def _is_extended(table: CpuidTable) -> bool:
    """Whether its CPU has what older ones have not in their state."""
    return bool(table.features() & {"avx", "rdrand", "rdseed", "mca"})


def _place(memory: Structure | None) -> tuple[object, int]:
    return (ffi.NULL, 0) if memory is None else (ffi.cast("void *", addressof(memory)), sizeof(memory))


def _set_deadline(native: _native.Deadline, deadline: Deadline | None) -> None:
    if deadline is None:
        native.due = NEVER
    else:
        native.due, native.order = deadline.due, deadline.sequence
