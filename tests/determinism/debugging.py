"""What a debugger does to a machine, as values that Hypothesis can draw and shrink. None of it may leave a trace."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from devices.disk.requests import Operation
from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.engine.exits import Access, EventKind
from vmdbg.engine.stops import Breakpoints, Catches, DiskCatch, IpiCatch, MessageCatch, PacketCatch, Watchpoint
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.machine import Machine
from vmdbg.units import PAGE_SIZE, CpuId, Linear, Physical, Tick

NOWHERE = (0, 0xDEAD_0123, 1 << 40, 0x1234_5678_9ABC_DEF0, (1 << 64) - 1)
DEVICE_CATCHES = (DiskCatch(1, frozenset(map(str, Operation))), MessageCatch(2), IpiCatch(3), PacketCatch(4))
MOST_STOPS = 40
"""After so many stops in one stretch, whatever causes them is taken away."""


@dataclass(frozen=True, slots=True)
class Run:
    """Go on for so many ticks, past whatever stops the run."""

    ticks: int

    def apply(self, machine: Machine, end: int) -> None:
        goal = Tick(min(end, machine.clock + self.ticks))
        for _ in range(MOST_STOPS):
            if machine.clock >= goal or machine.ending is not None:
                return
            machine.run(goal, over_breakpoint=True)
        clear(machine)


@dataclass(frozen=True, slots=True)
class Step:
    instructions: int

    def apply(self, machine: Machine, end: int) -> None:
        for _ in range(self.instructions):
            if machine.halted or machine.clock >= end or machine.ending is not None:
                return
            machine.step()


@dataclass(frozen=True, slots=True)
class Break:
    linear: tuple[int, ...]
    physical: tuple[int, ...]

    def apply(self, machine: Machine, _end: int) -> None:
        linear, physical = map(Linear, self.linear), map(Physical, self.physical)
        machine.engine.set_breakpoints(Breakpoints(tuple(linear), tuple(physical)))


@dataclass(frozen=True, slots=True)
class Watch:
    """`near_stack` watches `offset` from the stack pointer, else from linear 0; or physical memory."""

    offset: int
    size: int
    near_stack: bool
    physical: bool
    accesses: frozenset[Access]

    def apply(self, machine: Machine, _end: int) -> None:
        base = machine.engine.read_register("rsp") if self.near_stack and not self.physical else 0
        address = (base + self.offset) % (1 << 64)
        machine.engine.set_watchpoints([Watchpoint(1, address, self.size, self.accesses, self.physical)])


@dataclass(frozen=True, slots=True)
class Catch:
    """With `devices`, also all that devices do."""

    vectors: frozenset[int]
    events: frozenset[EventKind]
    devices: bool = False

    def apply(self, machine: Machine, _end: int) -> None:
        devices = DEVICE_CATCHES if self.devices else ()
        machine.engine.set_catches(Catches(self.vectors, self.events, interrupts=self.vectors, devices=devices))


@dataclass(frozen=True, slots=True)
class Look:
    """Read memory and registers, and forget which pages are dirty."""

    address: int

    def apply(self, machine: Machine, _end: int) -> None:
        engine = machine.engine
        bytes(engine.ram[self.address % len(engine.ram) :][:256])
        for name in ("rip", "rflags", "cr3", "xmm0", "st0"):
            engine.read_register(name)
        engine.deliveries()
        engine.dirty_pages()
        engine.clean_pages()


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what the engine has cached."""

    def apply(self, machine: Machine, _end: int) -> None:
        assert isinstance(machine.engine, UnicornEngine)
        machine.engine.flush_caches()


@dataclass(frozen=True, slots=True)
class SaveRestore:
    """Save, run on for so many ticks, and come back."""

    ticks: int

    def apply(self, machine: Machine, _end: int) -> None:
        engine = machine.engine
        state, memory = machine.save(), bytes(engine.memory[: engine.page_count * PAGE_SIZE])
        Run(self.ticks).apply(machine, machine.clock + self.ticks)
        engine.restore_pages(in_pages(memory))
        machine.restore(state)


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Somebody ends the next run at once; the one after goes on."""

    def apply(self, machine: Machine, end: int) -> None:
        machine.engine.interrupt_run()
        if machine.clock < end:
            machine.run(Tick(end), over_breakpoint=True)


@dataclass(frozen=True, slots=True)
class LookAt:
    """Another CPU, if there are several."""

    cpu: int

    def apply(self, machine: Machine, _end: int) -> None:
        machine.engine.select(CpuId(self.cpu % len(machine.engine.cpus)))


Action = Run | Step | Break | Watch | Catch | Look | LookAt | Flush | SaveRestore | Interrupt


def clear(machine: Machine) -> None:
    """The debugger goes."""
    machine.engine.set_breakpoints(Breakpoints())
    machine.engine.set_watchpoints([])
    machine.engine.set_catches(Catches())


def debugged_to(machine: Machine, end: int, actions: list[Action]) -> None:
    """Do it all, none of it beyond `end`, then detach and run there."""
    for action in actions:
        action.apply(machine, end)
    clear(machine)
    while machine.clock < end and machine.ending is None:
        machine.run(Tick(end), over_breakpoint=True)


def actions(code: st.SearchStrategy[int], physical_offset: int, ticks: int) -> st.SearchStrategy[list[Action]]:
    """Scripts for a guest whose code is at `code`, and at `code + physical_offset` in physical memory."""
    addresses = st.lists(code | st.sampled_from(NOWHERE), max_size=3).map(tuple)
    physical = st.lists(code.map(lambda linear: linear + physical_offset), max_size=2).map(tuple)
    accesses = st.sets(st.sampled_from(Access), min_size=1).map(frozenset)
    watch = st.one_of(
        st.builds(
            Watch, st.integers(-64, 64), st.sampled_from((1, 2, 4, 8, 64)), st.just(True), st.just(False), accesses
        ),
        st.builds(Watch, code, st.sampled_from((1, 8)), st.just(False), st.just(False), accesses),
        st.builds(Watch, st.integers(0, 4 << 20), st.just(8), st.just(False), st.just(True), accesses),
    )
    catch = st.builds(
        Catch,
        st.sets(st.integers(0, 255), max_size=6).map(frozenset),
        st.sets(st.sampled_from(EventKind)).map(frozenset),
        st.booleans(),
    )
    run = st.builds(Run, st.one_of(st.integers(1, 5000), st.integers(1, ticks)))
    other = st.one_of(
        st.builds(Step, st.integers(1, 80)),
        st.builds(Break, addresses, physical),
        watch,
        catch,
        st.builds(Look, st.integers(0, 1 << 30)),
        st.builds(LookAt, st.integers(0, 31)),
        st.just(Flush()),
        st.just(Interrupt()),
        st.builds(SaveRestore, st.integers(0, ticks)),
    )
    pairs = st.lists(st.tuples(other, run), max_size=12)
    return pairs.map(lambda drawn: [action for pair in drawn for action in pair])
