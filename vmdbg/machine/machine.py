"""The machine: one CPU and a PC around it, run to a tick, stepped, saved, restored.

What happens at a tick, in this order: devices' deadlines, the run's limit, inputs, interrupts, the instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from devices.scheduler import Event, Scheduler
from devices.seam import DeviceInput
from vmdbg.engine.exits import (
    BreakpointHit,
    EventCaught,
    ExceptionDelivered,
    Exit,
    Halted,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    VoidFetch,
    WatchpointHit,
)
from vmdbg.engine.port import Bus, Engine
from vmdbg.errors import RecordingError, UserError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.console import Console
from vmdbg.machine.cpu_lines import LATENCY, OWNER, IntrLine, NmiLine
from vmdbg.machine.inputs import (
    Input,
    InputSource,
    LiveInputs,
    MemoryWrite,
    NmiButton,
    PortWrite,
    RegisterWrite,
)
from vmdbg.machine.local_apic import TIMER, LocalApicInEngine
from vmdbg.machine.outcome import HaltedForever, Outcome, PoweredOff, ResetRequested, TestExited
from vmdbg.machine.pc import Backends, Pc, Pins
from vmdbg.machine.phase import Phase
from vmdbg.machine.snapshot import (
    MachineState,
    Position,
    decode_scheduler,
    decode_state,
    decode_unanswered,
    encode_scheduler,
    encode_state,
    encode_unanswered,
)
from vmdbg.units import Tick
from vmdbg.x86.cpuid import CpuidTable, build_table, find_model

RFLAGS_IF = 0x200
SERIAL_PORTS = 4
DEBUG_CONSOLE = -1
NEVER = Tick(1 << 63)
LONGEST_WAIT = 20_000_000
"""Ticks that a step of a halted CPU passes before it comes back: timers may tick and never wake it."""

EngineFactory = Callable[[int, Bus, CpuidTable], Engine]


class _A20Line:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def set(self, level: bool) -> None:
        self._machine.engine.set_a20(level)


class _ResetLine:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def set(self, level: bool) -> None:
        if level:
            self._machine.end(ResetRequested())


class Machine:
    """A PC. Nothing that happens to it depends on anything but its configuration, its RAM and its inputs."""

    def __init__(self, config: MachineConfig, make_engine: EngineFactory, inputs: InputSource | None = None) -> None:
        self.config = config
        self.inputs: InputSource = inputs if inputs is not None else LiveInputs()
        self.in_access = False
        self.halted = False
        self.halt_tick = Tick(0)
        self.ending: Outcome | None = None
        self.on_interrupt: Callable[[int, int], None] | None = None
        """Called with the vector and the tick of each external interrupt, before it is delivered."""
        self._barrier = NEVER
        self.scheduler = Scheduler(self._on_scheduled)
        self._intr = IntrLine(self.scheduler, self)
        self._nmi = NmiLine(self.scheduler, self)
        self.serial = tuple(Console(port) for port in range(SERIAL_PORTS))
        self.debug_console = Console(DEBUG_CONSOLE)
        pins = Pins(self._intr, self._nmi, _A20Line(self), _ResetLine(self))
        self.pc = Pc(config, self.scheduler, pins, self, Backends(self.serial, self.debug_console))
        self._acknowledge = self.pc.acknowledge
        self._ports, self._memory = self.pc.ports, self.pc.memory
        cpuid = build_table(find_model(config.cpu), apic=config.apic)
        self.engine = make_engine(config.memory, self, cpuid)
        self._intr.pins = self._nmi.pins = self.engine
        self._local_apic = LocalApicInEngine(self.pc.lapic, self.engine, self.scheduler, self._intr)
        self._phase = Phase(self.engine)
        INTERRUPTION.hurries(self)

    @property
    def clock(self) -> Tick:
        return self.engine.clock

    def port_read(self, port: int, size: int, now: int) -> int:
        self.scheduler.not_before = now + LATENCY
        return self._ports.read(port, size, now)

    def port_write(self, port: int, size: int, value: int, now: int) -> None:
        self.scheduler.not_before = now + LATENCY
        self._ports.write(port, size, value, now)

    def memory_read(self, address: int, size: int, now: int) -> int:
        self.scheduler.not_before = now + LATENCY
        return self._memory.read(address, size, now)

    def memory_write(self, address: int, size: int, value: int, now: int) -> None:
        self.scheduler.not_before = now + LATENCY
        self._memory.write(address, size, value, now)

    def acknowledge(self, now: int) -> int:
        self.scheduler.not_before = now + LATENCY
        vector = self._acknowledge()
        if self.on_interrupt is not None and vector >= 0:
            self.on_interrupt(vector, now)
        return vector

    def read_task_priority(self, now: int) -> int:
        return self.pc.lapic.tpr >> 4 if self.pc.lapic is not None else 0

    def write_task_priority(self, value: int, now: int) -> None:
        self.scheduler.not_before = now + LATENCY
        if self.pc.lapic is not None:
            self.pc.lapic.set_tpr(value << 4)

    def local_apic_moved(self, scheduled: int, due: int | None, intr: bool) -> None:
        self._local_apic.moved(scheduled, due, intr)

    def _on_scheduled(self, event: Event) -> None:
        if self.in_access:
            self._local_apic.lower_limit(event)

    def power_off(self) -> None:
        """The board's soft-off."""
        self.end(PoweredOff())

    def end_run(self, code: int) -> None:
        """The test-exit port."""
        self.end(TestExited(code))

    def end(self, outcome: Outcome) -> None:
        """End the run for good: there is nothing after this outcome."""
        if self.ending is None:
            self.ending = outcome
        if self.in_access:
            self.engine.request_stop()

    def must_take(self, data: Input) -> None:
        """Raises UserError for an input of a device that is not here, or takes no such."""
        match data:
            case NmiButton() | RegisterWrite() | MemoryWrite() | PortWrite():
                return
            case _ if self.pc.taker(data) is None:
                raise UserError(f"this machine has no {data.device!r} that takes {type(data).__name__}")

    def push(self, data: Input) -> None:
        """An input comes now. Raises UserError if there is nobody to take it."""
        self.must_take(data)
        self.inputs.push(self.clock, data)

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Outcome:
        """Run to the first instruction boundary at or after `limit`, or until something else ends the run.

        Deadlines at that boundary have come then, inputs and interrupts have not. Raises EngineError.
        """
        while self.ending is None:
            self._take_deadlines()
            clock = self.engine.clock
            if clock >= limit:
                return LimitReached()
            if clock >= self._barrier:
                return StopRequested()
            self._take_inputs(clock)
            bound = min(limit, self._barrier)
            if self.halted and not self._wake():
                if INTERRUPTION.wanted:
                    return StopRequested()
                forever = self._idle(bound)
                if forever is not None:
                    return forever
                continue
            outcome = self._outcome(self._enter(self._horizon(bound), over_breakpoint))
            over_breakpoint = False
            if outcome is not None:
                return outcome
        return self.ending

    def hurry(self) -> None:
        """End a run that is going on at its next block: StopRequested. Any thread may call it."""
        if self.in_access:
            self.engine.interrupt_run()

    def stop_by(self, tick: Tick) -> None:
        """No run goes beyond the first boundary at or after `tick`, to be exact LATENCY from now or later."""
        self._barrier = min(self._barrier, tick)
        if self.in_access:
            self.engine.lower_limit(tick)

    def lift_stop(self) -> None:
        """What stop_by() said no longer holds."""
        self._barrier = NEVER

    def step(self, limit: Tick = NEVER) -> Outcome:
        """Take one input that is due, deliver one interrupt or exception, or else run one instruction.

        A halted CPU first waits for the next input or interrupt: to `limit` and no further, which is LimitReached. It
        waits LONGEST_WAIT at a time, each of which ends with StopRequested.
        """
        wait_end = min(limit, Tick(self.clock + LONGEST_WAIT))
        while self.ending is None:
            self._take_deadlines()
            data = self.inputs.take(self.clock)
            if data is not None:
                self._apply(data)
                return self.ending or Stepped()
            if self.halted and not self._wake():
                if self.clock >= wait_end:
                    return LimitReached() if self.clock >= limit else StopRequested()
                forever = self._idle(wait_end)
                if forever is not None:
                    return forever
                continue
            outcome = self._step_engine()
            if outcome is not None:
                return outcome
        return self.ending

    def _step_engine(self) -> Outcome | None:
        self._begin_access()
        try:
            exit_ = self.engine.step()
        finally:
            self._leave()
        if self.ending is None:
            self._take_deadlines()
        if isinstance(exit_, Halted):
            self._halt()
            return self._last_hits() or Stepped()
        return self._outcome(exit_)

    @property
    def position(self) -> Position:
        """Where the machine is in time."""
        return self._phase.position

    def _enter(self, limit: Tick, over_breakpoint: bool) -> Exit:
        self._begin_access()
        try:
            return self.engine.run(limit, over_breakpoint=over_breakpoint)
        finally:
            self._leave()

    def _begin_access(self) -> None:
        self._local_apic.prepare(observed=self.on_interrupt is not None or self._memory.tracer is not None)
        self.in_access = True

    def _leave(self) -> None:
        self.in_access = False
        self.scheduler.not_before = 0

    def _outcome(self, exit_: Exit) -> Outcome | None:
        """None: go on."""
        match exit_:
            case LimitReached():
                return None
            case Halted():
                self._halt()
                return self._last_hits()
            case StopRequested():
                return self._last_hits() or self.ending or exit_
            case TripleFault():
                self.end(exit_)
                return self._last_hits() or exit_
            case (
                Stepped()
                | BreakpointHit()
                | WatchpointHit()
                | ExceptionDelivered()
                | EventCaught()
                | VoidFetch()
                | Stuck()
            ):
                return exit_
            case _:
                assert_never(exit_)

    def _last_hits(self) -> WatchpointHit | None:
        """The instruction that ended a run had touched what is watched: that comes first."""
        hits = self.engine.watch_hits
        return WatchpointHit(hits) if hits else None

    def _halt(self) -> None:
        """HLT retired. `halt_tick` is when, for as long as the CPU is halted and has not been restored."""
        self.halted = True
        self.halt_tick = self.clock

    def _horizon(self, limit: Tick) -> Tick:
        """What ends a run; the local APIC's timer does not."""
        due, next_input = self.scheduler.next_due_besides(*TIMER), self.inputs.next_tick()
        if due is not None and due < limit:
            limit = Tick(due)
        return min(limit, next_input) if next_input is not None else limit

    def _take_inputs(self, clock: Tick) -> None:
        while (data := self.inputs.take(clock)) is not None:
            self._apply(data)

    def _take_deadlines(self) -> None:
        clock = self.engine.clock
        while (event := self.scheduler.pop_due(clock)) is not None:
            if event.owner != OWNER:
                self.pc.on_event(event.owner, event.name, clock)
            elif event.name == "intr":
                self._intr.show()
            else:
                self._nmi.show()

    def _apply(self, data: Input) -> None:
        self._phase.count()
        match data:
            case NmiButton():
                self.engine.raise_nmi()
            case RegisterWrite(name, value):
                self.engine.write_register(name, value)
            case MemoryWrite(address, content):
                self.engine.write_ram(address, content)
            case PortWrite(port, size, value):
                self._ports.write(port, size, value, self.clock)
            case _:
                self._hand_over(data)

    def _hand_over(self, data: DeviceInput) -> None:
        """push() has seen to it that somebody takes it, but for what a recording of another machine holds."""
        taker = self.pc.taker(data)
        if taker is None:
            raise RecordingError(f"this machine has no {data.device!r} to take {type(data).__name__}")
        taker.take(data, self.clock)

    def _wake(self) -> bool:
        """Whether the halted CPU goes on."""
        interrupted = self.engine.interrupt and self.engine.read_register("rflags") & RFLAGS_IF
        if interrupted or self.engine.nmi_pending:
            self.halted = False
        return not self.halted

    def _idle(self, limit: Tick | None) -> HaltedForever | None:
        """Move the clock to what comes next. The value says that nothing will."""
        due, next_input = self.scheduler.next_due(), self.inputs.next_tick()
        coming = [tick for tick in (due, next_input) if tick is not None]
        enabled = bool(self.engine.read_register("rflags") & RFLAGS_IF)
        if next_input is None and (not coming or not enabled):
            return HaltedForever(enabled)
        if limit is not None:
            coming.append(limit)
        self.engine.advance_clock(max(self.clock, Tick(min(coming))))
        return None

    def _is_known(self, event: Event) -> bool:
        return (event.owner == OWNER or self.pc.has_deadlines(event.owner)) and 0 <= event.due <= NEVER

    def save(self) -> MachineState:
        """All of the machine but its RAM."""
        return MachineState(
            cpu=self.engine.snapshot(),
            devices={name: encode_state(device.save()) for name, device in self.pc.devices.items()},
            scheduler=encode_scheduler(self.scheduler.save()),
            halted=self.halted,
            intr=self._intr.level,
            intr_visible=self.engine.interrupt,
            nmi=self._nmi.level,
            nmi_pending=self.engine.nmi_pending,
            phase=self.position.phase,
            unanswered=encode_unanswered([self.pc.ports.unanswered.save(), self.pc.memory.unanswered.save()]),
        )

    def restore(self, state: MachineState) -> None:
        """Become what save() was taken of. RAM and inputs are the caller's to put back.

        Raises RecordingError, and is then to be restored again or thrown away.
        """
        if state.devices.keys() != self.pc.devices.keys():
            raise RecordingError("the snapshot is of a machine with other devices")
        for name, device in self.pc.devices.items():
            try:
                device.restore(decode_state(state.devices[name], device.State, name))
            except ValueError as error:
                raise RecordingError(f"the saved state of {name} is damaged: {error}") from error
        counted = iter(decode_unanswered(state.unanswered))
        for bus in (self.pc.ports, self.pc.memory):
            bus.unanswered.restore(next(counted, []))
        scheduled = decode_scheduler(state.scheduler)
        if any(not self._is_known(event) for event in scheduled.events):
            raise RecordingError("the saved state of the scheduler is damaged: an event is of no device, or no time")
        self.scheduler.restore(scheduled)
        self.engine.restore(state.cpu)
        self.halted = state.halted
        self.ending = None
        self._intr.restore(state.intr, state.intr_visible)
        self._nmi.restore(state.nmi)
        if state.nmi_pending:
            self.engine.raise_nmi()
        self._phase.restore(state.phase)

    def close(self) -> None:
        self.engine.close()
