"""One machine, any number of front ends: who runs the guest, who is told of a stop, who may end it."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Iterator

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.describe import describe_ending
from vmdbg.debugger.stops import Ended, HostFailed, RunFailed
from vmdbg.host.fate import Fate, ended_in_order
from vmdbg.host.front_end import EndWanted, FrontEnd, Presence
from vmdbg.host.watcher import Watcher
from vmdbg.machine.console import Listener
from vmdbg.machine.inputs import Input
from vmdbg.machine.outcome import HaltedForever, Outcome, died
from vmdbg.units import Tick

STAY_SECONDS = 0.05
"""Who has just asked something mostly asks more: such are served alone for that long."""


class Arbiter:
    """Runs the guest on behalf of front ends (vmdbg.host.runner.Runner).

    What holds at every moment between two slices; docs/architecture.md says it for people, and
    tests/vmdbg/host/test_arbiter.py holds it to a model:

    1. At most one run is under way. It is some front end's, or nobody's (`Debugger.run_by`). Without one the guest
       stands. Only Debugger.poll() moves it, in one thread.
    2. Who finds the guest standing may let it run, in any way. Who finds it running joins: waits for the same stop.
    3. A stop is told to all front ends, once, in the order in which they joined, with the guest standing.
    4. Anybody may interrupt a run, whosever it is. It ends for all.
    5. Who HOLDS the guest was told where it stands. If another moves it, what the holder asks for next is not done:
       it is told the stop that it missed first, or waits for the one to come.
    6. Who leaves takes the points along. A run forwards of theirs goes on as nobody's, any other is interrupted.
       A guest that stands goes on if they wish so, unless another holds it.
    7. The run is over when a user ends it (NOW); when somebody did (WHEN_ALONE), or the guest has ended, and nobody is
       present any more. A guest that died, or that the host failed, stands for whoever comes.
    """

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._front_ends: list[FrontEnd] = []
        self._fate = Fate(debugger)
        self._files = selectors.DefaultSelector()
        self._watcher = Watcher(self._files.fileno(), debugger.engine.interrupt_run)
        self._fresh = True
        self._in_turn = False
        """Whether a front end has the thread."""

    def join(self, front_end: FrontEnd) -> None:
        self._front_ends.append(front_end)
        file = front_end.fileno()
        if file is not None:
            self._files.register(file, selectors.EVENT_READ)

    def leave(self, front_end: FrontEnd) -> None:
        """The guest stands as it is, unless a run that goes on is, or has become, somebody else's."""
        file = front_end.fileno()
        if file is not None:
            self._files.unregister(file)
        self._front_ends.remove(front_end)
        front_end.close()
        self._debugger.let_go(front_end.owner)

    def fileno(self) -> int:
        """Readable when serve() has something to do."""
        descriptor: int = self._files.fileno()
        return descriptor

    def is_held_but_by(self, owner: str) -> bool:
        """Whether somebody else than `owner` was told that the guest stands."""
        return any(one.presence is Presence.HOLDS for one in self._front_ends if one.owner != owner)

    def present_but(self, owner: str) -> list[str]:
        """Who else than `owner` is there, by their names."""
        return [one.owner for one in self._front_ends if one.owner != owner and one.presence is not Presence.AWAY]

    def go(self) -> None:
        """Let the guest run for nobody in particular."""
        self._debugger.resume(Continue())

    def push(self, data: Input) -> None:
        self._debugger.timeline.push(data)

    def hear(self, listener: Listener) -> None:
        self._debugger.timeline.console.listeners.append(listener)

    def serve(self) -> bool:
        """Do what front ends have been asked for. Whether anything was."""
        served = [front_end.poll() for front_end in self._front_ends]
        return any(served)

    def poll(self) -> bool:
        """Serve front ends, and stay with those that go on asking; then whose turn it is has the thread."""
        if self.serve():
            self._stay(time.monotonic() + STAY_SECONDS)
        if not self._debugger.running and not self.finished:
            self._give_turn()
        return self._debugger.running and not self.finished

    def _give_turn(self) -> None:
        chosen = self._next_in_turn()
        if chosen is not None:
            with self.turn():
                chosen.take_turn()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Inside, a front end has the thread: the loop does not stay with others after a stop."""
        before, self._in_turn = self._in_turn, True
        try:
            yield
        finally:
            self._in_turn = before

    def _next_in_turn(self) -> FrontEnd | None:
        for one in self._front_ends:
            alone = not any(other.presence is not Presence.AWAY for other in self._front_ends if other is not one)
            if one.wants_turn(alone=alone):
                return one
        return None

    def _stay(self, until: float) -> bool:
        """Serve those who ask one thing after another. Whether one let the guest run."""
        while not self._debugger.running and time.monotonic() < until:
            asked = [front_end.linger() for front_end in self._front_ends]
            if not any(asked):
                break
        self._fresh = True
        return self._debugger.running

    def advance(self, limit: Tick) -> Outcome | None:
        """One that continues at every stop is not made to wait for the loop around this."""
        debugger, until = self._debugger, time.monotonic() + STAY_SECONDS
        while True:
            self._watch()
            stop = debugger.poll(max(limit - debugger.machine.clock, 1))
            if isinstance(stop, Ended):
                return self._ended(stop)
            if isinstance(stop, HostFailed) and not self._is_anybody_there:
                self._tell_unseen(f"{stop.reason}; the guest stands before that")
            if isinstance(stop, RunFailed) and not self._is_anybody_there:
                self._tell_unseen(stop.words)
            if self._in_turn or not self._is_anybody_there:
                return None
            if stop is None and (debugger.machine.clock >= limit or not self._was_spoken_to()):
                return None
            if not self._stay(until) or debugger.machine.clock >= limit:
                return None

    def _tell_unseen(self, words: str) -> None:
        """Why the guest stands, unless somebody's turn comes, who sees it."""
        if self._next_in_turn() is None:
            for front_end in self._front_ends:
                front_end.stands_unseen(words)

    def _ended(self, stop: Ended) -> Outcome | None:
        if self._is_anybody_there:
            return None
        if died(stop.outcome):
            self._tell_unseen(describe_ending(stop.outcome))
            return None
        if isinstance(stop.outcome, HaltedForever):
            self.go()  # one that waits for input alone goes on when that comes
        return stop.outcome

    @property
    def _is_anybody_there(self) -> bool:
        return any(one.presence is not Presence.AWAY for one in self._front_ends)

    def _was_spoken_to(self) -> bool:
        """Whether it was the watcher that ended the run. What was said is served; it may be so already, and the run
        was ended for nothing.
        """
        if not self._watcher.take_report():
            return False
        self.serve()
        return True

    def _watch(self) -> None:
        """From the second slice on: many runs are over in the first, whose client speaks next."""
        if not self._fresh:
            self._watcher.arm()
        self._fresh = False

    def break_in(self) -> bool:
        return any(front_end.break_in() for front_end in self._front_ends)

    @property
    def live(self) -> bool:
        return self._debugger.timeline.live

    @property
    def hurried(self) -> bool:
        return self._debugger.interrupt_wanted

    @property
    def finished(self) -> bool:
        debugger = self._debugger
        over = not debugger.running and ended_in_order(debugger, debugger.last_stop)
        for front_end in self._front_ends:  # asked at every turn: a set would hash each answer in Python
            wanted = front_end.end_wanted
            if wanted is EndWanted.NOW:
                return True
            over = over or wanted is EndWanted.WHEN_ALONE
        return over and not self._is_anybody_there

    @property
    def ended(self) -> Outcome | None:
        return self._fate.outcome

    def close(self) -> None:
        """All front ends leave."""
        self._watcher.close()
        for front_end in reversed(self._front_ends):
            front_end.close()
        self._front_ends.clear()
        self._files.close()
