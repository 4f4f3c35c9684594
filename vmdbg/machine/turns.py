"""Whose turn it is, by a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from vmdbg.engine.processor import Awaited, Processor, Processors, TurnState
from vmdbg.errors import RecordingError
from vmdbg.machine.schedule import RoundRobin, Schedule, ScheduleState, Turn
from vmdbg.machine.schedules import parse_schedule
from vmdbg.machine.turn_log import TurnLog
from vmdbg.units import BOOT_CPU, CpuId


class TurnEngine(Processor, Processors, Protocol):
    """What of an engine it takes."""


class Turns:
    """The turns of one CPU or several. One that is there alone has its turn for ever, but while it sleeps."""

    def __init__(self, engine: TurnEngine, schedule: Schedule) -> None:
        self._engine = engine
        self._configured = self._schedule = schedule
        self.state = ScheduleState()
        """What the schedule remembers."""
        self.log: TurnLog | None = None
        """Notes the turns that begin, each of which leaves the engine for that."""
        self.several = len(engine.cpus) > 1
        self._is_engines = False
        """Whether the engine chooses by itself."""
        self._awaited: CpuId | Awaited = Awaited.NONE
        self._begun = 0
        """Turns, when awaiting() began."""

    def start(self) -> None:
        """The machine is switched on: the first turn begins."""
        self.state = self._schedule.start(len(self._engine.cpus))
        if self.several:
            self._tell_engine()
            self._begin((BOOT_CPU,))
        self._engine.select(BOOT_CPU)

    def _tell_engine(self) -> None:
        schedule = self._schedule
        self._is_engines = isinstance(schedule, RoundRobin) and self.log is None
        self._engine.set_round_robin(schedule.quantum if isinstance(schedule, RoundRobin) and self._is_engines else 0)

    @property
    def schedule(self) -> Schedule:
        """The one by which turns are now."""
        return self._schedule

    @property
    def changed(self) -> str:
        """That, where it is not the machine's own any more; else ""."""
        return "" if self._schedule is self._configured else str(self._schedule)

    def change(self, schedule: str) -> None:
        """The turn is over, and the next one is by another schedule. Raises RecordingError for what is none."""
        self._become(schedule)
        self.state = self._schedule.start(len(self._engine.cpus))
        if self.log is not None:
            self.log.lose("its schedule was changed by hand")
        self._engine.end_turn()

    def _become(self, schedule: str) -> None:
        if schedule == self.changed:
            return
        try:
            self._schedule = parse_schedule(schedule) if schedule else self._configured
        except ValueError as error:
            raise RecordingError(f"the recorded schedule is none: {error}") from None
        self._tell_engine()

    def note(self) -> None:
        """Note turns from here on, beginning with the one that goes on."""
        turn = self._engine.turn
        self.log = TurnLog()
        if self.several and not turn.over:
            self.log.add(self._engine.clock, Turn(turn.cpu, max(1, turn.end - self._engine.clock)))
        self._tell_engine()

    @property
    def are_over(self) -> bool:
        """Whether it is nobody's turn: where the machine is seen, all CPUs sleep then."""
        return self._engine.turn_over if self.several else self._engine.cpus[0].halted

    @property
    def current(self) -> CpuId | None:
        """Whose turn it is; None while all sleep."""
        if not self.several:
            return None if self._engine.cpus[0].halted else BOOT_CPU
        return None if self._engine.turn_over else self._engine.turn.cpu

    def settle(self) -> None:
        """All that comes before it at this boundary has come: if a turn is over the next begins, if one can run."""
        if self.several and self._engine.turn_over:
            self.choose()

    def choose(self) -> None:
        """If it is nobody's turn, somebody's who can run."""
        engine = self._engine
        if not self.several:
            if engine.cpus[0].halted and engine.cpus[0].can_run:
                engine.cpus[0].halted = False
            return
        if not engine.turn_over:
            return
        if self._is_engines:
            engine.next_turn()
            return
        runnable = tuple(CpuId(number) for number, cpu in enumerate(engine.cpus) if cpu.can_run)
        if runnable:
            self._begin(runnable)

    def _begin(self, runnable: tuple[CpuId, ...]) -> None:
        engine = self._engine
        turn, self.state = self._schedule.next_turn(self.state, engine.turn.cpu, runnable, engine.clock)
        if turn is None:
            engine.end_turn()
            return
        if self.log is not None:
            self.log.add(engine.clock, turn)
        engine.begin_turn(turn.cpu, turn.quantum, exact=turn.exact)

    @contextmanager
    def awaiting(self, awaited: CpuId | Awaited) -> Iterator[None]:
        """Meanwhile runs end where a turn of that CPU, or any, has begun since: StopRequested. Leaves no trace."""
        self._awaited, self._begun = awaited, self._engine.turns_begun
        self._engine.await_turn(awaited)
        try:
            yield
        finally:
            self._awaited = Awaited.NONE
            self._engine.await_turn(Awaited.NONE)

    @property
    def begun(self) -> int:
        """How many turns have; no state of the guest."""
        return self._engine.turns_begun

    def look_out(self) -> None:
        """What has come of what is awaited is known: for the next."""
        self._begun = self._engine.turns_begun

    @property
    def awaited_has_come(self) -> bool:
        """Whether awaiting() says that a run is to end here."""
        if self._awaited is Awaited.NONE or self._engine.turns_begun == self._begun:
            return False
        return self._awaited is Awaited.ANY or self.current == self._awaited

    def restore(self, turn: TurnState, state: ScheduleState, changed: str) -> None:
        """As a snapshot has them, with the engine's clock. Raises RecordingError for what cannot be."""
        self._become(changed)
        if not self._schedule.is_state(state, len(self._engine.cpus)):
            raise RecordingError("the saved state of the CPUs is damaged: its schedule does not remember such")
        self._engine.set_turn(turn)
        self.state = state
        if self.log is not None:
            self.log.go_to(turn)
        self.look()

    def look(self) -> None:
        """Look at the CPU whose turn it is, or was."""
        if self.several:
            self._engine.select(self._engine.turn.cpu)
