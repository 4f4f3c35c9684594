"""What a client's single request may cost: each looks whether its client is there, and its sizes are bounded."""

from __future__ import annotations

import time

import pytest

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.errors import ClientGoneError, TargetError
from gdbstub.session import Session
from gdbstub.stops import FIRST_THREAD
from tests.gdbstub.wire import framed
from tests.vmdbg.debugger.programs import program
from tests.vmdbg.gdb.guests import alone, sample_guest
from tests.vmdbg.gdb.test_front_end import COUNTING
from vmdbg.debugger.actions import Continue
from vmdbg.gdb.memory import GuestLinearMemory, GuestPhysicalSearch
from vmdbg.gdb.monitor import GuestMonitor
from vmdbg.gdb.server import GdbServer
from vmdbg.units import Tick

NOWHERE = b"a text that no memory has"
LOOP = bytes((0x26, 0, 0, 0x29, 0x21, 0, 0))
"""reg 0; pop; goto 0: for ever, were it not for its bound."""


def gone() -> None:
    raise ClientGoneError("the client is gone")


@pytest.mark.parametrize("command", ["search --text zzqq", "query writes 0x100000 0x100000"])
def test_monitor_commands_end_when_nobody_waits_for_them(command: str) -> None:
    with sample_guest() as guest:
        guest.debugger.resume(Continue(limit=Tick(30_000_000)))
        guest.debugger.wait()
        monitor = GuestMonitor(guest.debugger, alone(guest.debugger))
        before = guest.debugger.position
        assert monitor.run(command, lambda _text: None, gone) == "error: the client is gone\n"
        assert guest.debugger.position == before


def test_searches_end_when_nobody_waits_for_them() -> None:
    with sample_guest() as guest:
        known = alone(guest.debugger)
        ports = (GuestLinearMemory(guest.debugger, known), GuestPhysicalSearch(guest.debugger, known))
        for search in (port.search for port in ports):
            with pytest.raises(ClientGoneError):
                search(FIRST_THREAD, 0, (1 << 64) - 1, NOWHERE, gone)


def test_conditions_that_loop_do_not_hold_the_guest_up() -> None:
    """One may loop, and is bounded; a second one is refused."""
    condition = b";X%x,%b" % (len(LOOP), LOOP.hex().encode())
    with program(COUNTING, "hot") as (debugger, at, _):
        server = GdbServer(debugger)
        target = server._for_client()
        assert target.breakpoints is not None
        session = Session(target)
        session.receive(framed(b"QStartNoAckMode") + framed(b"Z0,%x,1" % at["hot"] + condition * 2))
        assert session.take_output().count(b"$E") == 1
        session.receive(framed(b"Z0,%x,1" % at["hot"] + condition) + framed(b"c"))
        began = time.thread_time()
        debugger.poll()
        assert time.thread_time() - began < 1
        session.closed()
        server.close()


def test_widths_are_bounded() -> None:
    with sample_guest() as guest:
        server = GdbServer(guest.debugger)
        port = server._for_client().breakpoints
        assert port is not None
        with pytest.raises(TargetError, match="at most 0x100000000 are watched"):
            port.insert(Breakpoint(BreakpointKind.WRITE, 0, 1 << 40))
        server.close()
