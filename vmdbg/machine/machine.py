"""The machine: CPUs and a PC around them, run to a tick, stepped, saved, restored.

What happens at a tick, in this order: devices' deadlines, the run's limit, inputs, interrupts, the instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, assert_never

from devices.disk.medium import MediumError
from devices.interrupts.lapic_messages import ProcessorPins
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
    TurnOver,
    VoidFetch,
    WatchpointHit,
)
from vmdbg.engine.port import Bus, Engine
from vmdbg.errors import RecordingError, UserError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.bus import MachineBus
from vmdbg.machine.bus_masters import before_devices
from vmdbg.machine.chipset import has_guests_of_qemu
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.console import DEBUG_CONSOLE, HVC, SERIAL_PORTS, Console
from vmdbg.machine.cpu_pins import CpuPins, Entry
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.inputs import (
    Input,
    InputSource,
    LiveInputs,
    MemoryWrite,
    NmiButton,
    PortWrite,
    PowerCut,
    RegisterWrite,
    ScheduleChange,
)
from vmdbg.machine.media import Media
from vmdbg.machine.outcome import DevicesCaught, HaltedForever, Outcome, PoweredOff, ResetRequested, TestExited
from vmdbg.machine.outsides import outsides_of
from vmdbg.machine.paged import MachinePages
from vmdbg.machine.pc import APIC_BASE_MSR, Backends, Pc, Pins
from vmdbg.machine.processors import FittedCpus
from vmdbg.machine.schedules import parse_schedule, schedule_of
from vmdbg.machine.snapshot import MachineState, Position
from vmdbg.units import BOOT_CPU, NEVER, CpuId, Tick
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import CpuidTable, build_table

if TYPE_CHECKING:
    from vmdbg.machine.restart import ColdStart

LONGEST_WAIT = 20_000_000
"""Ticks that a step of a halted CPU passes before it comes back: timers may tick and never wake it."""


class EngineFactory(Protocol):
    """Makes an engine with a CPU for each table of `cpuid`, so many bytes of RAM, and of devices' memory."""

    def __call__(self, ram_size: int, bus: Bus, cpuid: Sequence[CpuidTable], device_memory: int = 0) -> Engine: ...


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
            self._machine.reset()


class _IgnneLine:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def set(self, level: bool) -> None:
        if level:
            self._machine.engine.cpus[BOOT_CPU].ignore_x87_errors()


class Machine:
    """A PC. Nothing that happens to it depends on anything but its configuration, its RAM and its inputs."""

    def __init__(
        self,
        config: MachineConfig,
        make_engine: EngineFactory,
        inputs: InputSource | None = None,
        media: Media | None = None,
    ) -> None:
        self.config = config
        self.media = media if media is not None else Media()
        self.inputs: InputSource = inputs if inputs is not None else LiveInputs()
        self.ending: Outcome | None = None
        self.moves = 0
        """Counts how often it was let go, came to a boundary or was restored. While that stays equal, so does all of
        it, unless it is looked at in the middle of a run."""
        self._barriers: list[Tick] = []
        self._barrier = NEVER
        """The first of them."""
        self.scheduler = Scheduler(self._on_scheduled)
        self._entry = Entry()
        prompt = has_guests_of_qemu(config.devices)
        numbers = map(CpuId, range(config.cpus))
        self._pins = tuple(CpuPins(self.scheduler, self._entry, number, prompt=prompt) for number in numbers)
        self.serial = tuple(Console(port) for port in range(SERIAL_PORTS))
        self.hvc = Console(HVC)
        self.debug_console = Console(DEBUG_CONSOLE)
        self.consoles = (*self.serial, *((self.hvc,) if config.hvc else ()), self.debug_console)
        ends = tuple(ProcessorPins(pins.intr, pins.nmi, pins.init, pins.start_up) for pins in self._pins)
        pins = Pins(ends, _A20Line(self), _ResetLine(self), _IgnneLine(self))
        self.outsides = outsides_of(config.nets)
        backends = Backends(self.serial, self.hvc, self.debug_console, self.media, self.outsides)
        self.pc = Pc(config, self.scheduler, pins, self, backends)
        self.bus = MachineBus(self.scheduler, self.pc)
        cpuid = cpuid_tables(config)
        self.engine = make_engine(config.memory, self.bus, cpuid, self.pc.memory_map.device_memory)
        self.media.now = lambda: self.engine.clock
        self.pc.memory_map.attach(self.engine)
        self.pc.bus_masters.engine = self.pc.device_events.engine = self.engine
        self.pc.device_events.on_hit = self._device_event
        self.pages = MachinePages(self.engine, self.pc.areas, self.pc.memory_map.memories())
        self.cpus = FittedCpus(
            self.engine,
            self._pins,
            self._entry,
            self.bus,
            self.pc,
            self.scheduler,
            parse_schedule(config.schedule),
        )
        self.pc.running = lambda: self.engine.selected
        self._masters, self._device_events = self.pc.bus_masters, self.pc.device_events
        self._reset_wanted = False
        """A reset that the access or deadline which goes on has asked for; not so at any boundary that is seen."""
        self._cold = self._cold_start() if config.restarts else None
        INTERRUPTION.hurries(self)

    def _cold_start(self) -> ColdStart:
        from vmdbg.machine.restart import ColdStart  # for machines that a reset starts again only

        return ColdStart(self.cpus, self.pc, self.scheduler)

    @property
    def clock(self) -> Tick:
        return self.engine.clock

    @property
    def position(self) -> Position:
        """Where the machine is in time."""
        return self.cpus.phase.position

    @property
    def halted(self) -> bool:
        """Whether all CPUs sleep."""
        return self.cpus.halted

    def _on_scheduled(self, event: Event) -> None:
        if self._entry.in_access:
            self.cpus.interrupts.lower_limit(event)

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
        if self._entry.in_access:
            self.engine.request_stop()

    def reset(self) -> None:
        """The board's reset: at the next boundary the machine starts again, or the run ends there."""
        if self._cold is None:
            self.end(ResetRequested())
            return
        self._reset_wanted = True
        if self._entry.in_access:
            self.engine.request_stop()

    def _restart_if_wanted(self) -> bool:
        """Whether the machine was reset just now."""
        if not self._reset_wanted or self.ending is not None or self._cold is None:
            return False
        self._reset_wanted = False
        self._cold.restart()
        return True

    def must_take(self, data: Input) -> None:
        """Raises UserError for an input of a device that is not here, or takes no such."""
        match data:
            case NmiButton() | PowerCut() | RegisterWrite() | MemoryWrite() | PortWrite():
                return
            case ScheduleChange(schedule):
                self._must_schedule(schedule)
            case _ if self.pc.taker(data) is None:
                raise UserError(f"this machine has no {data.device!r} that takes {type(data).__name__}")

    def _must_schedule(self, schedule: str) -> None:
        if not self.cpus.turns.several:
            raise UserError("this machine has one CPU, whose turn it always is")
        try:
            schedule_of(schedule, self.config.cpus)
        except ValueError as error:
            raise UserError(str(error)) from None

    def push(self, data: Input) -> None:
        """An input comes now. Raises UserError if there is nobody to take it."""
        self.must_take(data)
        self.inputs.push(self.clock, data)

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Outcome:
        """Run to the first instruction boundary at or after `limit`, or until something else ends the run.

        Deadlines at that boundary have come then, inputs and interrupts have not. Raises EngineError.
        """
        self.moves += 1
        while self.ending is None:
            self._take_deadlines()
            self.cpus.turns.settle()
            told = self._devices_told()
            if told is not None:
                return told
            clock = self.engine.clock
            if clock >= limit:
                self.cpus.turns.look()
                return LimitReached()
            if clock >= self._barrier or self.cpus.turns.awaited_has_come:
                self.cpus.turns.look()
                return StopRequested()
            self._take_inputs(clock)
            bound = min(limit, self._barrier)
            if self.cpus.halted and not self.cpus.wake():
                if INTERRUPTION.wanted:
                    return StopRequested()
                forever = self._idle(bound)
                if forever is not None:
                    return forever
                continue
            outcome = self._reached(self.cpus.run(self._horizon(bound), over_breakpoint=over_breakpoint))
            over_breakpoint = False
            if outcome is not None:
                return outcome
        return self._devices_told() or self.ending

    def hurry(self) -> None:
        """End a run that is going on at its next block: StopRequested. Any thread may call it."""
        if self._entry.in_access:
            self.engine.interrupt_run()

    def stop_by(self, tick: Tick) -> None:
        """No run goes beyond the first boundary at or after `tick`, to be exact LATENCY from now or later."""
        self._barriers.append(tick)
        self._barrier = min(self._barriers)
        if self._entry.in_access:
            self.engine.lower_limit(tick)

    def lift_stop(self, tick: Tick) -> None:
        """What stop_by() was told of that tick no longer holds."""
        self._barriers.remove(tick)
        self._barrier = min(self._barriers, default=NEVER)

    def step(self, limit: Tick = NEVER) -> Outcome:
        """Take one input that is due, deliver one interrupt or exception, or else run one instruction.

        A halted CPU first waits for the next input or interrupt: to `limit` and no further, which is LimitReached. It
        waits LONGEST_WAIT at a time, each of which ends with StopRequested.
        """
        self.moves += 1
        wait_end: Tick | None = None
        while self.ending is None:
            self._take_deadlines()
            self.cpus.turns.settle()
            told = self._devices_told()
            if told is not None:
                return told
            data = self.inputs.take(self.engine.clock)
            if data is not None:
                self._apply(data)
                return self.ending or Stepped()
            if self.cpus.halted and not self.cpus.wake():
                wait_end = min(limit, Tick(self.clock + LONGEST_WAIT)) if wait_end is None else wait_end
                if self.clock >= wait_end:
                    return LimitReached() if self.clock >= limit else StopRequested()
                forever = self._idle(wait_end)
                if forever is not None:
                    return forever
                continue
            exit_ = self.cpus.step()
            outcome = self._reached(exit_)
            if outcome is not None:
                return outcome
            if isinstance(exit_, Halted | StopRequested | TurnOver):
                return Stepped()
        return self._devices_told() or self.ending

    def _reached(self, exit_: Exit) -> Outcome | None:
        """The engine left a run at a boundary, whose deadlines come before anybody sees it. None: go on."""
        self.moves += 1
        restarted = self._reset_wanted and self._restart_if_wanted()
        if self.ending is None:
            self._take_deadlines()
            self.cpus.turns.settle()
        outcome = exit_ if isinstance(exit_, Stepped) else self._outcome(exit_)
        if restarted and isinstance(outcome, StopRequested | BreakpointHit):
            outcome = StopRequested() if INTERRUPTION.wanted else None
        match outcome:
            case None | Stepped() | StopRequested():
                return self._devices_told() or outcome
            case WatchpointHit(hits):
                devices = self.pc.bus_masters.take_hits()
                return WatchpointHit((*(before_devices(self.engine, hit, devices) for hit in hits), *devices))
            case _:
                return outcome

    def _devices_told(self) -> WatchpointHit | DevicesCaught | None:
        """What devices have touched of what is watched, or done that is caught, that nobody was told of yet."""
        if not self._masters.hits and not self._device_events.hits:
            return None
        hits = self._masters.take_hits()
        return WatchpointHit(hits) if hits else self._device_events.take()

    @property
    def settled(self) -> bool:
        """Whether nothing but inputs is due at this boundary, and of nothing that devices did is still to be told."""
        first = self.scheduler.first
        due = first is not None and first.due <= self.engine.clock
        ends = self.ending is not None or self._reset_wanted or self.cpus.turns.are_over
        return not (due or ends or self._masters.hits or self._device_events.hits)

    def _device_event(self) -> None:
        """A device has done something that is caught."""
        if self._entry.in_access:
            self.engine.stop_behind()

    def _outcome(self, exit_: Exit) -> Outcome | None:
        """None: go on."""
        match exit_:
            case LimitReached() | TurnOver():
                return None
            case Halted():
                return self.cpus.last_hits
            case StopRequested():
                return self.cpus.last_hits or self.ending or exit_
            case TripleFault():
                self.end(exit_)
                return self.cpus.last_hits or exit_
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

    def _horizon(self, limit: Tick) -> Tick:
        """What ends a run; the deadlines that the engine sees to do not."""
        due, next_input = self.scheduler.next_due_besides(self.cpus.interrupts.deadlines), self.inputs.next_tick()
        if due is not None and due < limit:
            limit = Tick(due)
        return min(limit, next_input) if next_input is not None else limit

    def _take_inputs(self, clock: Tick) -> None:
        while (data := self.inputs.take(clock)) is not None:
            self._apply(data)

    def _take_deadlines(self) -> None:
        first, clock = self.scheduler.first, self.engine.clock
        if first is None or first.due > clock:
            return
        masters = self.pc.bus_masters
        masters.in_deadline = True
        try:
            while (event := self.scheduler.pop_due(clock)) is not None:
                if not self.cpus.show(event.owner, event.name):
                    self._come(event, clock)
        finally:
            masters.in_deadline = False
        self._restart_if_wanted()

    def _come(self, event: Event, clock: Tick) -> None:
        """A device's deadline. Where the host fails it, it has not come: going on tries again."""
        hits = self._masters.hits
        noted = len(hits)
        try:
            self.pc.on_event(event.owner, event.name, clock)
        except MediumError:
            del hits[noted:]
            self.scheduler.put_back(event)
            raise

    def _apply(self, data: Input) -> None:
        self.cpus.count_input()
        match data:
            case NmiButton():
                self.engine.cpus[0].raise_nmi()
            case PowerCut():
                self.power_off()
            case RegisterWrite(name, value, cpu):
                with selected(self.engine, cpu):
                    self.engine.write_register(name, value)
                    if name == "apic_base":
                        self.pc.write_msr(APIC_BASE_MSR, value, self.clock)
            case MemoryWrite(address, content):
                self.engine.write_physical(address, content)
            case PortWrite(port, size, value):
                self.pc.ports.write(port, size, value, self.clock)
            case ScheduleChange(schedule):
                self.cpus.turns.change(schedule)
            case _:
                self._hand_over(data)
        self._restart_if_wanted()
        self.cpus.turns.settle()

    def _hand_over(self, data: DeviceInput) -> None:
        """push() has seen to it that somebody takes it, but for what a recording of another machine holds."""
        taker = self.pc.taker(data)
        if taker is None:
            raise RecordingError(f"this machine has no {data.device!r} to take {type(data).__name__}")
        taker.take(data, self.clock)

    def _idle(self, limit: Tick | None) -> HaltedForever | None:
        """Move the clock to what comes next. The value says that nothing will."""
        due, next_input = self.scheduler.next_due(), self.inputs.next_tick()
        coming = [tick for tick in (due, next_input) if tick is not None]
        enabled = self.cpus.take_interrupts
        if next_input is None and (not coming or not enabled) and not self._may_be_woken(limit):
            return HaltedForever(enabled)
        if limit is not None:
            coming.append(limit)
        self.engine.advance_clock(max(self.clock, Tick(min(coming))))
        return None

    def _may_be_woken(self, limit: Tick | None) -> bool:
        """Whether somebody outside may do so before `limit`."""
        return self.config.waits and self.cpus.take_interrupts and limit is not None and limit < NEVER

    def save(self) -> MachineState:
        """All of the machine but its RAM."""
        from vmdbg.machine.saving import save_machine  # a run without a history saves nothing

        return save_machine(self.cpus, self.pc, self.scheduler)

    def restore(self, state: MachineState) -> None:
        """Become what save() was taken of. RAM and inputs are the caller's to put back.

        Raises RecordingError, and is then to be restored again or thrown away.
        """
        from vmdbg.machine.saving import restore_machine

        self.moves += 1
        restore_machine(state, self.cpus, self.pc, self.scheduler)
        self.pc.bus_masters.take_hits()
        self.pc.device_events.take()
        self.ending = None

    def close(self) -> None:
        if self.pc.device_events.on_request in self.media.listeners:
            self.media.listeners.remove(self.pc.device_events.on_request)
        self.engine.close()


def cpuid_tables(config: MachineConfig) -> list[CpuidTable]:
    """What each CPU answers to CPUID."""
    model = find_model(config.cpu)
    return [build_table(model, apic=config.apic, topology=config.topology, cpu=cpu) for cpu in range(config.cpus)]
