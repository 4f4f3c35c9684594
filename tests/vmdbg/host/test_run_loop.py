"""The loop from inside, as a front end goes on with it that has the thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.vmdbg.debugger.programs import program
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.arbiter import Arbiter
from vmdbg.host.poller import READ, Poller
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.serial_lines import NullBackend
from vmdbg.units import Tick

FOR_EVER = """
again:
    inc rbx
    jmp again
"""


class Outlet:
    flushed = 0

    def flush(self) -> None:
        self.flushed += 1


class Congested(NullBackend):
    """A line whose other end takes nothing."""

    congested = True


@contextmanager
def looping(serial: NullBackend) -> Iterator[tuple[Debugger, RunLoop]]:
    with program(FOR_EVER) as (debugger, _, _guest):
        poller = Poller()
        arbiter = Arbiter(debugger)
        yield debugger, RunLoop(debugger.machine, arbiter, serial, poller, print)
        arbiter.close()
        poller.close()


def test_a_slice_lets_the_guest_go_on_only_if_somebody_let_it_run() -> None:
    with looping(NullBackend()) as (debugger, loop):
        loop.slice()
        assert debugger.machine.clock == 0
        debugger.resume(Continue())
        loop.slice()
        assert debugger.machine.clock > 0
        assert not loop.over()


def test_a_guest_whose_line_is_full_waits() -> None:
    with looping(Congested()) as (debugger, loop):
        debugger.resume(Continue())
        loop.slice()
        assert debugger.machine.clock == 0
        assert loop.idle_seconds > 0


def test_others_are_heard_and_what_was_written_is_passed_on() -> None:
    reader, writer = os.pipe()
    with looping(NullBackend()) as (_, loop):
        outlet, heard = Outlet(), list[bytes]()
        loop.outlets = (outlet,)
        loop.poller.watch(reader, READ, lambda _events: heard.append(os.read(reader, 9)))
        os.write(writer, b"hello")
        loop.wait(10)
        loop.serve()
        assert heard == [b"hello"]
        assert outlet.flushed == 1
    os.close(reader)
    os.close(writer)


def test_the_tick_to_stop_at_ends_the_run_whoever_has_the_thread() -> None:
    with looping(NullBackend()) as (debugger, loop):
        loop.stop_at = Tick(5_000)
        debugger.resume(Continue())
        while not loop.over():
            loop.slice()
        assert 5_000 <= debugger.machine.clock < 5_020
