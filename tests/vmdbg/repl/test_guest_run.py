"""Runs on behalf of the prompt, with guest time held to host time or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.arbiter import Arbiter
from vmdbg.host.pacing import LONGEST_SLICE, TOLERATED_SECONDS, Pacer
from vmdbg.host.poller import Poller
from vmdbg.host.realtime import Realtime
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.serial_lines import NullBackend
from vmdbg.repl.app import Repl
from vmdbg.units import TICKS_PER_SECOND

SECOND = TICKS_PER_SECOND


@dataclass
class HostClock:
    """Goes on by 5 ms whenever it is looked at."""

    now: float = 0.0

    def __call__(self) -> float:
        self.now += 0.005
        return self.now


class Loop(RunLoop):
    """A run that is over when a test says so."""

    is_over: Callable[[], bool] = lambda: False

    def over(self) -> bool:
        return self.is_over()


def loop_over(debugger: Debugger, over: Callable[[], bool], realtime: Realtime) -> RunLoop:
    loop = Loop(debugger.machine, Arbiter(debugger), NullBackend(), Poller(), print, realtime=realtime)
    loop.is_over = over
    return loop


class Prompt:
    """A prompt that carries out scripts, on a guest that idles after a third of a second."""

    def __init__(self, debugger: Debugger) -> None:
        self.host = HostClock()
        self.realtime = Realtime(Pacer(debugger.machine, self.host))
        self.repl = Repl(debugger, loop_over(debugger, self._over, self.realtime))
        self._clock = lambda: debugger.machine.clock
        self._until = 0

    def _over(self) -> bool:
        return self._clock() >= self._until or self.host.now >= 3

    def continue_until(self, tick: int) -> None:
        """Or until three seconds have passed for the host."""
        self._until = tick
        assert self.repl.execute("continue")


@pytest.fixture
def prompt() -> Iterator[Prompt]:
    with sample_guest(append="") as guest:
        yield Prompt(guest.debugger)


def test_idle_time_keeps_to_host_time_where_that_is_wanted(prompt: Prompt) -> None:
    prompt.realtime.scripts = True
    prompt.continue_until(100 * SECOND)
    machine = prompt.repl.debugger.machine
    tolerated = TOLERATED_SECONDS * SECOND + 2 * LONGEST_SLICE
    assert machine.halted
    assert 2 * SECOND <= machine.clock <= prompt.host.now * SECOND + tolerated


def test_idle_time_takes_none_where_it_is_not(prompt: Prompt) -> None:
    prompt.continue_until(10 * SECOND)
    assert prompt.repl.debugger.machine.clock >= 10 * SECOND
    assert prompt.host.now == 0


def test_what_is_known_already_is_not_lived_through_again(prompt: Prompt) -> None:
    prompt.continue_until(10 * SECOND)
    prompt.repl.execute("goto 1s")
    prompt.realtime.choose(True)
    prompt.continue_until(9 * SECOND)
    assert prompt.repl.debugger.machine.clock >= 9 * SECOND
    assert prompt.host.now == 0


def test_the_user_chooses(prompt: Prompt) -> None:
    run = prompt.repl.session.run
    assert run("realtime").value == {"prompt": False, "scripts": False}
    assert run("realtime on").value == {"prompt": True, "scripts": True}
    assert str(run("realtime off").blocks[0]) == "off"
