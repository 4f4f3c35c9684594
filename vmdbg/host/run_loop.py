"""The loop of a run: one thread runs the machine in slices and, between two, looks after everything else.

A front end that has the thread, such as the prompt, goes on with the same loop from inside: serve(), slice(), wait().

Nothing here reaches the guest but through Machine.push, and where a slice ends makes no difference to it.
"""

from __future__ import annotations

import select
import signal
import termios
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from devices.disk.medium import MediumError
from vmdbg.errors import UserError
from vmdbg.host.endings import (
    Ending,
    GuestEnded,
    HostFailed,
    OutputClosed,
    Panicked,
    Signalled,
    TextSeen,
    TickReached,
    UserQuit,
)
from vmdbg.host.pacing import LONGEST_SLICE, LONGEST_WAIT, SliceLength, end_of_slice
from vmdbg.host.poller import Poller
from vmdbg.host.realtime import Pacer, Place, Realtime
from vmdbg.host.runner import Runner
from vmdbg.host.serial_watch import PanicWatch
from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import terminal_is_gone
from vmdbg.host.typist import Typist
from vmdbg.interruption import StoppedError
from vmdbg.machine.console import COM1, typed
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import HaltedForever, Outcome
from vmdbg.machine.text_watch import TextWatch
from vmdbg.units import Tick

TURN_SECONDS = 0.05
"""How long a front end that has the thread waits at most until it looks again."""


class Lines(Protocol):
    """The guest's serial lines, as far as it or the loop waits for them (vmdbg.host.serial_lines.SerialBackend)."""

    @property
    def congested(self) -> bool: ...

    @property
    def live(self) -> bool: ...


class Outlet(Protocol):
    """Where output of the guest goes that is passed on between slices."""

    def flush(self) -> None: ...


@dataclass(slots=True)
class RunLoop:
    """Without `realtime` it runs as fast as possible. `stop_at`, `until` and `panic` end the run; `typist` types
    meanwhile.

    `outlets` are flushed between slices. `taken_over` is told where the host has failed a disk: whether somebody has
    the guest now, who can go on once that is mended. `port` is the line that the user types at.

    `say` shows the user a line of text.
    """

    machine: Machine
    runner: Runner
    serial: Lines
    poller: Poller
    say: Callable[[str], None]
    typist: Typist = field(default_factory=Typist)
    until: TextWatch | None = None
    panic: PanicWatch | None = None
    stop_at: Tick | None = None
    realtime: Realtime | None = None
    outlets: tuple[Outlet, ...] = ()
    taken_over: Callable[[str], bool] = lambda _reason: False
    port: int = COM1
    frames_come: bool = False
    """Whether frames come from the host, which wake a guest that nothing else does."""
    _slices: SliceLength = field(default_factory=SliceLength)
    _asked: Ending | None = None
    _starved: HaltedForever | None = None

    def quit(self) -> None:
        """The user is done."""
        self._asked = self._asked or UserQuit()
        self.poller.wake()

    def _signalled(self, number: int) -> None:
        """A signal asks for the end; in its handler."""
        self._asked = self._asked or Signalled(number)
        self.poller.wake()

    def type(self, data: bytes) -> None:
        """The user typed: it reaches the guest's console now."""
        self.push(typed(self.port, data))

    def push(self, data: Input) -> None:
        """Something comes from outside, now. Where that is impossible the user is told why."""
        try:
            self.runner.push(data)
        except UserError as error:
            self.say(str(error))
        else:
            self._starved = None

    def run(self) -> Ending:
        """Run until something ends the run. Raises UserError, EngineError."""
        try:
            with SIGNALS.told(self._signalled):
                return self._run()
        except StoppedError as error:
            SIGNALS.leaving()
            return self._asked or Signalled(error.number)
        except BrokenPipeError:
            return OutputClosed()
        except (OSError, UserError, termios.error):
            if SIGNALS.number is None and not terminal_is_gone():
                raise
            SIGNALS.leaving()  # what failed was to be shown on a terminal
            return self._asked or Signalled(signal.SIGHUP)

    def _run(self) -> Ending:
        while True:
            self.flush()
            ending = self._ending()
            if ending is None:
                ending = self._turn()
            if ending is not None:
                if isinstance(ending, Signalled):
                    SIGNALS.leaving()
                self.flush()
                return ending

    def over(self) -> bool:
        """Whether the run is to end, whoever has the guest."""
        return self._ending() is not None

    def serve(self) -> None:
        """For who has the thread: everybody else is heard and told what is new, and what the guest wrote is shown,
        without waiting.
        """
        self.poller.wait(0)
        self.runner.serve()
        self.flush()

    def slice(self) -> None:
        """For who has the thread: the guest goes on for a moment, if it runs."""
        if self.serial.congested:
            return
        ending = self._slice()
        if ending is not None:
            self._asked = self._asked or ending

    @property
    def idle_seconds(self) -> float:
        """For who has the thread: how long until the next slice is due."""
        return TURN_SECONDS if self.serial.congested else min(self._pause_seconds, TURN_SECONDS)

    @property
    def _pause_seconds(self) -> float:
        """How long the guest is to be held back, so as not to be ahead of host time."""
        pacer = self._pacer
        return pacer.wait_seconds() if pacer is not None and not self.runner.hurried else 0.0

    def wait(self, seconds: float, *files: int) -> None:
        """For who has the thread: until serve() has something to do, or one of `files` is readable."""
        if seconds > 0:
            select.select([*files, self.poller.fileno()], [], [], seconds)

    def letting(self, place: Place) -> AbstractContextManager[None]:
        """For who has the thread: inside, the guest runs for somebody there."""
        return self.realtime.at(place) if self.realtime is not None else nullcontext()

    def flush(self) -> None:
        """Pass on what the guest wrote."""
        for outlet in self.outlets:
            outlet.flush()

    def _ending(self) -> Ending | None:
        clock = self.machine.clock
        if self._asked is not None:
            return self._asked
        if self.runner.finished:
            return UserQuit()
        until = self.until
        if until is not None and until.found_at is not None and until.reached(clock):
            return TextSeen(until.text, until.found_at)
        if self.panic is not None and self.panic.dead_at is not None and clock >= self.panic.dead_at:
            return Panicked()
        return TickReached() if self.stop_at is not None and clock >= self.stop_at else None

    def _turn(self) -> Ending | None:
        runs = self.runner.poll() and not self.serial.congested
        if runs and self._starved is not None:
            runs = self._feed_starved()
            if not runs and not (self.serial.live or self.frames_come):
                return GuestEnded(self._starved)
        if not runs:
            self.poller.wait(LONGEST_WAIT)
            return None
        self.poller.wait(self._pause_seconds)
        if self._asked is None and self.runner.poll():
            return self._slice()
        return None

    @property
    def _pacer(self) -> Pacer | None:
        """What is known already is not lived through again."""
        return self.realtime.present if self.realtime is not None and self.runner.live else None

    def _feed_starved(self) -> bool:
        """A machine that waits for input alone: its clock stands, so no line will ever be due."""
        if self.typist.pending:
            self.type(self.typist.take_line(self.machine.clock))
        return self._starved is None

    def _slice(self) -> Ending | None:
        before = self.machine.clock
        if self.typist.pending and (line := self.typist.take(before, self.machine.halted)):
            self.type(line)
        pacer = self._pacer
        paced = pacer.limit() if pacer is not None else None
        length = self._slices.begin()
        limit = end_of_slice(before, length) if paced is None else min(paced, before + LONGEST_SLICE)
        try:
            outcome = self.runner.advance(self._limit(Tick(limit)))
        except MediumError as error:
            return None if self.taken_over(str(error)) else HostFailed(str(error))
        if paced is None:
            self._slices.end(self.machine.clock - before)
        else:
            self._slices.shorten()
        return self._judge(outcome)

    def _limit(self, limit: Tick) -> Tick:
        stops = [self.stop_at, self.typist.due, self.until.stop_at if self.until is not None else None]
        stops.append(self.panic.dead_at if self.panic is not None else None)
        return min([limit, *(tick for tick in stops if tick is not None)])

    def _judge(self, outcome: Outcome | None) -> Ending | None:
        if outcome is None:
            return None
        if isinstance(outcome, HaltedForever) and outcome.interrupts_enabled:
            self._starved = outcome
            if self.serial.live:
                self.say("the guest halted with nothing left to wake it but what is typed")
            return None
        return GuestEnded(outcome)
