"""A machine that can be at any instant of its history.

Time is a sequence of instants: instruction boundaries, and at one boundary the deliveries and inputs that came there,
each its own instant (see Position). The rules at the edges are in docs/time-travel.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Set
from contextlib import AbstractContextManager
from typing import Protocol

from devices.disk.medium import MediumError
from vmdbg.engine.exits import BreakpointHit, LimitReached, Stepped, StopRequested
from vmdbg.engine.stops import Stops
from vmdbg.errors import EngineError, RecordingError, UserError, VmdbgError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.inputs import Edit, Input
from vmdbg.machine.machine import LONGEST_WAIT, Machine
from vmdbg.machine.media import TakenBack
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline import stops
from vmdbg.timeline.arrivals import Arrival
from vmdbg.timeline.checkpoint import DEFAULT_BUDGET, Checkpoint, Checkpoints
from vmdbg.timeline.console_log import ConsoleLog
from vmdbg.timeline.history import History, PlacedInput
from vmdbg.timeline.history_index import HistoryIndex
from vmdbg.timeline.keeping import GRID, Keeping, rungs
from vmdbg.timeline.origin import Origin
from vmdbg.timeline.outcomes import EndOfHistory, Progress, TimelineOutcome, ends_by_itself, says_nothing
from vmdbg.timeline.pages import PageStore
from vmdbg.timeline.ram import WORTH_OWING, RamImage, RamTracker
from vmdbg.timeline.recorder import Recorder
from vmdbg.timeline.state_digest import DIGEST_INTERVAL, StateDigest, state_digest
from vmdbg.timeline.touched import Mappings, mappings
from vmdbg.timeline.verification import Verification, grid_tick
from vmdbg.timeline.withdrawal import last_before
from vmdbg.units import NEVER, Tick

LONGEST_INSTRUCTION = 15
WORTH_BRINGING = 1 << 20
"""Ticks to go, for which memory that they need is put back beforehand."""


class Governor(Protocol):
    """Who says how far into the unknown a machine may go: others may still send it something."""

    def allow(self, wanted: Tick) -> Tick:
        """The machine stands at the live end, and all that is to come there has been pushed on return.

        It may go to the tick that is returned, `wanted` at most; no further than it stands: not now, ask again.
        """
        ...

    def check_push(self) -> None:
        """Raises UserError where nothing may come from outside now: others have passed what it could change."""
        ...

    def left(self) -> None:
        """The machine has gone to an instant of the past."""
        ...

    def check_fork(self) -> None:
        """Raises UserError where what happened cannot be dropped: others know of it."""
        ...


class Timeline:
    """`machine` stands where its history is to start. Call its run(), step() and push() only through here.

    With `closed_at` the history ends there and is not continued; `inputs` and `digests` are then what is known of it.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        origin: Origin | None = None,
        budget: int = DEFAULT_BUDGET,
        inputs: Iterable[PlacedInput] = (),
        digests: Iterable[StateDigest] = (),
        closed_at: Position | None = None,
        store: PageStore | None = None,
        ram: RamImage | None = None,
        worth_owing: int = WORTH_OWING,
    ) -> None:
        """`ram` is what RAM is known to hold and nothing has touched since: without it, zeros but for dirty pages.

        `worth_owing`: how many pages have to differ for some of them to be put back only when they are accessed.
        """
        self.machine = machine
        self._phase = machine.cpus.phase
        self.origin = origin
        """What the machine was made from: without it the timeline cannot be written to a file."""
        self.store = store if store is not None else PageStore()
        self.history = History(lambda: machine.position, inputs)
        machine.inputs = self.history
        machine.media.remembers = True
        self.console = ConsoleLog(machine.consoles)
        self.bookmarks: dict[str, Position] = {}
        self.verification = Verification(digests, closed_at)
        self.fork_listeners: list[Callable[[Position], None]] = []
        """Told where the future is dropped: what was noted of it does not happen."""
        self.worth_bringing = WORTH_BRINGING
        self._brought_until = machine.position
        """What is likely to be accessed before that has been put back."""
        self._torn = False
        """Whether the machine is at no instant: something failed while it ran, or while it was being restored."""
        self.forks = 0
        """How often that was."""
        self.recorder: Recorder | None = None
        self.governor: Governor | None = None
        """Asked before the unknown is entered."""
        self._ram = RamTracker(machine.pages, self.store, ram, worth_owing=worth_owing)
        first = Checkpoint(machine.position, machine.save(), self._ram.capture(), 0)
        if machine.halted:
            machine.cpus.halt_tick = machine.clock
        self.checkpoints = Checkpoints(first, self.store, budget)
        self._closed = closed_at is not None
        self._end = closed_at if closed_at is not None else first.position
        self.keeping = Keeping(first.position)
        self.arrivals: dict[Position, Arrival] = {}
        """How some instants were come to, which were gone through one by one last."""
        self.index = HistoryIndex(machine.engine, machine.pc.device_events.request_listeners)
        self.index.moved_to(first.position)
        self._update_writable()

    @property
    def position(self) -> Position:
        return self._phase.position

    @property
    def start(self) -> Position:
        """The first known instant."""
        return self.checkpoints.first.position

    @property
    def end(self) -> Position:
        """The last known instant."""
        return self._end

    @property
    def closed(self) -> bool:
        """Whether the history ends at `end` for good, unless it is forked."""
        return self._closed

    @property
    def live(self) -> bool:
        """Whether what comes next has not happened yet."""
        return not self._closed and self._phase.position >= self._end

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> TimelineOutcome:
        """Run to the first instruction boundary at or after `limit`, or until something else ends the run.

        Before the end this replays. From the end of a timeline that is not closed it goes on into the unknown.
        Raises EngineError, DivergenceError.
        """
        while True:
            before = self.position
            if self._closed and before >= self._end:
                return self.machine.ending or EndOfHistory()
            if before.tick >= limit and self.machine.ending is None:
                return LimitReached()
            outcome = self.advance(Position(limit), over_breakpoint=over_breakpoint)
            if not isinstance(outcome, LimitReached):
                return outcome
            if self.position != before:
                over_breakpoint = False

    def advance(self, target: Position, *, over_breakpoint: bool = False) -> Outcome:
        """Run towards `target` as far as the next tick at which the timeline has something to do.

        LimitReached says that it is there or at `target`, which is not after the end of a closed history. Every way
        through time consists of such parts: between two of them it can be left (vmdbg.interruption).
        """
        try:
            return self._advance_part(target, over_breakpoint)
        except (RecordingError, EngineError) as error:
            self._failed(error)
            raise

    def _failed(self, error: VmdbgError) -> None:
        """What led here is not to be believed, unless it was withdrawn."""
        self._torn = self._torn or not isinstance(error, MediumError)
        self.arrivals.clear()

    def _advance_part(self, target: Position, over_breakpoint: bool) -> Outcome:
        INTERRUPTION.check()
        machine, now = self.machine, self.position
        if now >= self._brought_until and target.tick - now.tick >= self.worth_bringing:
            self._bring(now)
        target = min(target, Position(Tick((now.tick // GRID + 1) * GRID)))
        if self.governor is not None and self.live:
            target = min(target, Position(self.governor.allow(target.tick)))
            if target <= now and machine.ending is None:
                return StopRequested()
        coming = self.history.upcoming
        for point in (self._end if now < self._end else None, coming.position if coming else None):
            if point is not None and now < point < target:
                target = point
        began = time.thread_time()
        outcome: Outcome = LimitReached()
        try:
            if now.tick < target.tick or machine.ending is not None:
                outcome = machine.run(target.tick, over_breakpoint=over_breakpoint)
            if isinstance(outcome, LimitReached) and self.position < target:
                outcome = self._finish_phases(target, over_breakpoint and self.position == now)
        except MediumError:
            self._withdraw(now)
            raise
        self.keeping.ran(time.thread_time() - began)
        if ends_by_itself(outcome):
            self.index.stopped()
        self._passed(now)
        if isinstance(outcome, StopRequested):
            INTERRUPTION.check()
        return outcome

    def _bring(self, now: Position) -> None:
        """Have at hand what the way from here is known to need, as far as the index tells it of one part."""
        part = self.index.part_at(now)
        self._brought_until = part.end if part is not None else Position(Tick(now.tick + GRID))
        if part is not None and not part.touched.everything and self._ram.owes_some:
            self._ram.bring(self.machine.pages.of_physical(part.touched.pages.physical))

    def _finish_phases(self, target: Position, over_breakpoint: bool) -> Outcome:
        """Take what comes at the tick, one at a time, up to `target`."""
        while self.position < target:
            if not over_breakpoint and not self.history.is_due and stops.at_breakpoint(self.machine.engine):
                return BreakpointHit()
            over_breakpoint = False
            outcome = self.machine.step(Tick(target.tick + 1))
            if not isinstance(outcome, Stepped):
                return outcome
        return LimitReached()

    def step(self, *, patient: bool = True) -> TimelineOutcome:
        """Go to the next instant: one input, one delivery or one instruction further.

        A halted CPU first waits for the next input or interrupt; if not `patient` that may end early: StopRequested.
        Raises as run().
        """
        try:
            return self._step_patiently(patient=patient)
        except (RecordingError, EngineError) as error:
            self._failed(error)
            raise

    def _step_patiently(self, *, patient: bool) -> TimelineOutcome:
        INTERRUPTION.check()
        if self._closed and self.position >= self._end:
            return self.machine.ending or EndOfHistory()
        before = self.position
        try:
            outcome = self._step()
            while patient and isinstance(outcome, StopRequested) and self.machine.halted:
                INTERRUPTION.check()
                outcome = self._step()
        except MediumError:
            self._withdraw(before)
            raise
        if self._closed and self.position > self._end:
            with self.undisturbed():
                self.go(self._end)
            return EndOfHistory()
        self._passed(before)
        return outcome

    def _step(self) -> Outcome:
        """StopRequested, too, for a halted CPU that has waited as long as it may for now."""
        if self.governor is None:
            return self.machine.step(self._farthest)
        now = self.machine.clock
        if self.live:
            allowed = self.governor.allow(Tick(now + LONGEST_WAIT))
            if allowed <= now:
                return StopRequested()
        else:  # a halted CPU is not to wait its way into the unknown
            allowed = self._farthest if self._closed else Tick(max(self._end.tick, now + 1))
        outcome = self.machine.step(allowed)
        return StopRequested() if isinstance(outcome, LimitReached) else outcome

    def _withdraw(self, before: Position) -> None:
        """The host failed a device where the machine stands, which came from `before`: stand at the instant before it.

        What came until then is known and kept; going on from there tries again.
        """
        failed = self.position
        if failed <= before:
            return
        with self.undisturbed():
            self.index.moved_to(failed)  # what led there is not known: it is gone through again
            self.go(max(before, Position(Tick(failed.tick - LONGEST_INSTRUCTION))), to_stay=False)
            self.go(last_before(self.machine, failed), to_stay=False)
        if not self._closed and self.position > self._end:
            self._end = self.position
            if self.recorder is not None:
                self.recorder.on_advance(self._end)
        self._update_writable()

    @property
    def _farthest(self) -> Tick:
        """How far a halted CPU may wait: just beyond the end of a closed history."""
        return Tick(self._end.tick + 1) if self._closed else NEVER

    def _passed(self, before: Position) -> None:
        """The machine moved forwards from `before`."""
        position = self.position
        advanced = not self._closed and position > self._end
        if advanced:
            self._end = position
        crossed = before.tick < grid_tick(position, GRID)
        if crossed and position.tick % GRID < LONGEST_INSTRUCTION and not position.phase:
            self._at_grid(position, advanced)
        if advanced and self.recorder is not None:
            self.recorder.on_advance(position)
        if position == self._end and (final := self.verification.final_at(position)) is not None:
            self.verification.compare(final, self.digest_here())
        self.history.writable = not self._closed and position >= self._end

    def digest_here(self) -> StateDigest:
        """The digest of the present instant."""
        return state_digest(self.machine, self._ram.digest())

    def _update_writable(self) -> None:
        self.history.writable = self.live

    def _at_grid(self, position: Position, advanced: bool) -> None:
        tick = grid_tick(position, DIGEST_INTERVAL)
        if position.tick - tick < LONGEST_INSTRUCTION:
            self._digest(tick, is_new=advanced and (self.keeping.wanted or self.recorder is not None))
        if self.checkpoints.nearest(position).position == position:
            self.checkpoints.replayed(self.keeping.since, position, self.keeping.seconds)
            self.keeping.stands_at(position)
        elif self.keeping.is_due:
            self.take_checkpoint()

    def _digest(self, tick: Tick, *, is_new: bool) -> None:
        known = self.verification.digests.get(tick)
        if known is not None and (is_new or self.verification.wanted):
            self.verification.compare(known, self.digest_here())
        elif known is None and is_new:
            found = self.verification.digests[tick] = self.digest_here()
            if self.recorder is not None:
                self.recorder.on_digest(found)

    def take_checkpoint(self) -> None:
        """Keep the present instant, unless the guest has ended."""
        if self.machine.ending is not None:
            return
        began = time.thread_time()
        self.keep_index()
        checkpoint = self.checkpoint_here()
        self.checkpoints.add(checkpoint, checkpoint.position, self.keeping.seconds)
        if self.recorder is not None and checkpoint.position >= self._end:
            self.recorder.on_checkpoint(checkpoint)
        self._ram.cool_replaced(lambda: self.checkpoints.is_roomy)
        self.keeping.took(time.thread_time() - began)
        self.keeping.stands_at(checkpoint.position)

    def keep_index(self) -> None:
        """Have the index know what has happened up to the present instant."""
        part = self.index.keep(self.position)
        if part is not None and self.recorder is not None:
            self.recorder.on_part(part)

    def checkpoint_here(self) -> Checkpoint:
        """The present instant, kept by the caller."""
        machine = self.machine
        halted_at = machine.cpus.halt_tick if machine.halted else None
        return Checkpoint(self.position, machine.save(), self._ram.capture(), self.history.taken(), halted_at)

    def undisturbed(self) -> AbstractContextManager[Stops]:
        """No breakpoint, watchpoint or catch stops the machine meanwhile; afterwards they are set as before."""
        return stops.undisturbed(self.machine.engine)

    def seek(self, position: Position, on_progress: Progress | None = None) -> None:
        """Go to the first instant at or after `position`, past every breakpoint.

        Raises UserError for what lies outside the history; RecordingError, EngineError for what cannot be come to, back
        where it was; and whatever `on_progress` raises, standing somewhere then.
        """
        if position < self.start:
            raise UserError(f"{position} is before the start of the history, {self.start}")
        if position > self._end:
            remedy = "the recording has no more" if self._closed else "run on to get there"
            raise UserError(f"{position} is after the end of the history, {self._end}: {remedy}")
        origin = self.position
        with self.undisturbed():
            try:
                self.go(position, on_progress)
            except (RecordingError, EngineError):
                self.come_back(origin)
                raise

    def mapped(self, address: int, size: int) -> Mappings:
        """Where a linear range is now: for the index, which is to know it of what is asked about."""
        return mappings(self.machine.engine.translate, address, size)

    def next_chance(self, stops: Stops) -> tuple[Position, Position]:
        """Where from here on `stops` could stop the machine first, as far as is known, and up to where it is known."""
        return self.index.next_chance(self.position, stops, self.start, self._end)

    def last_chance(self, bound: Position, stops: Stops) -> tuple[Position, Position] | None:
        """The last stretch before `bound` in which `stops` could stop the machine, as far as is known."""
        return self.index.last_chance(bound, stops, self.start, self._end)

    def go(self, position: Position, on_progress: Progress | None = None, *, to_stay: bool = True) -> None:
        """seek() without its checks, while nothing is armed. `to_stay`: steps back from there are to be quick."""
        base = self.checkpoints.nearest(position)
        if self._torn or not base.position <= self.position <= position:
            self.restore(base, position)
        origin = self.position.tick
        for rung, near_enough in rungs(position) if to_stay else ():
            if self.position.tick < rung and self.checkpoints.nearest(position).position.tick < near_enough:
                self._advance(Position(rung), origin, position, on_progress)
                if not self.machine.halted:  # time that passes then costs nothing
                    self.take_checkpoint()
        self._advance(position, origin, position, on_progress)

    def _advance(self, target: Position, origin: Tick, goal: Position, on_progress: Progress | None) -> None:
        while self.position < target:
            outcome = self.advance(target)
            if on_progress is not None and goal.tick > origin:
                on_progress(min(1.0, (self.position.tick - origin) / (goal.tick - origin)))
            if self.position < target and not says_nothing(outcome):
                raise RecordingError(f"the replay ended at {self.position}, before {target}: {outcome}")

    def come_back(self, position: Position) -> None:
        """Something failed on the way: stand at `position`, or at the last instant before it that can be come to.

        Raises RecordingError, EngineError, MediumError where there is none.
        """
        with self.undisturbed():
            while True:
                base = self.checkpoints.nearest(position)
                try:
                    self.go(position, to_stay=False)
                except (RecordingError, EngineError, MediumError):
                    if base is self.checkpoints.first and position == base.position:
                        raise
                    if base is self.checkpoints.nearest(position):  # it was the way from there that failed
                        position = base.position
                else:
                    return

    def restore(self, checkpoint: Checkpoint, goal: Position | None = None) -> None:
        """Become what the machine was at a checkpoint. Raises RecordingError, EngineError; it is forgotten then.

        With a `goal`, to which it is run from there, memory that is not needed on the way may come later.
        """
        if self._torn:
            self.index.moved_to(self.position)  # what led there is not known
        else:
            self.keep_index()
        self._torn = True
        try:
            likely = self._likely(checkpoint.position, goal)
            self._ram.restore(checkpoint.ram, likely)
            self.checkpoints.fit(checkpoint.position)
            self.machine.restore(checkpoint.state)
        except (RecordingError, EngineError):
            self.checkpoints.forget(checkpoint)
            raise
        self._torn = False
        part = self.index.part_at(checkpoint.position) if likely else None
        self._brought_until = part.end if part is not None else checkpoint.position
        if checkpoint.state.halted:
            known = checkpoint.halted_at
            self.machine.cpus.halt_tick = known if known is not None else self.machine.clock
        self.history.rewind(checkpoint.inputs)
        self.console.restored(checkpoint.position.tick)
        self.keeping.stands_at(checkpoint.position)
        self.index.moved_to(checkpoint.position)
        self._update_writable()
        if self.governor is not None:
            self.governor.left()

    def _likely(self, start: Position, goal: Position | None) -> Set[int] | None:
        """The pages of memory that going from one instant to another touches, as far as they are known."""
        physical = self.index.pages_between(start, goal) if goal is not None else None
        return self.machine.pages.of_physical(physical) if physical is not None else None

    def push(self, data: Input) -> None:
        """An input from outside, now; what a debugger writes takes effect at once. Raises UserError in the past."""
        if self.machine.ending is not None:
            raise UserError("the guest has ended: go back and `fork` to change what happens")
        self.machine.must_take(data)
        if self.governor is not None and self.live:
            self.governor.check_push()
        self.history.writable = self.live
        self.history.push(self.machine.clock, data)
        if self.recorder is not None:
            self.recorder.on_input(self.history.inputs[-1])
        if isinstance(data, Edit):
            before = self.position
            while self.history.upcoming is not None:
                self.machine.step()
            self._passed(before)

    def fork(self) -> list[TakenBack]:
        """Drop the future and go live from here. A recording that was open keeps what it had.

        Images that follow their disks are brought here: which, is returned. Raises MediumError, or UserError where a
        governor has it so, and drops nothing then.
        """
        position = self.position
        self.must_drop_after(position)
        taken_back = self.machine.media.take_back()
        if self.recorder is not None and (self._closed or position < self._end):
            self.recorder.on_fork()
            self.recorder = None
        self.history.drop_future()
        self.checkpoints.drop_after(position)
        self.index.drop_after(position)
        self.arrivals.clear()
        self.console.cut(position.tick)
        self.verification.drop_after(position)
        self.bookmarks = {name: mark for name, mark in self.bookmarks.items() if mark <= position}
        self._closed = False
        self._end = position
        self._update_writable()
        self.forks += 1
        for listener in self.fork_listeners:
            listener(position)
        return taken_back

    def must_drop_after(self, position: Position) -> None:
        """Raises UserError where fork() is not possible there."""
        if self.governor is not None and position < self._end:
            self.governor.check_fork()

    def let_go(self) -> None:
        """The machine was closed: give back the memory of its past, and of what was booted. Call nothing afterwards."""
        self.origin = None
        self.checkpoints.let_go()
        self._ram.let_go()

    def reopen(self) -> None:
        """The history goes on after its end."""
        self._closed = False
        self.verification.final = None
        self._update_writable()

    def close(self, *, at: Position | None = None) -> None:
        """The history ends here, or at its end: what follows is unknown."""
        self._closed = True
        self._end = at if at is not None else self._end
        self._update_writable()
