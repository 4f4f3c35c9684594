"""Who sits at the machine: nobody, or a debugger with its timeline. What the run loop needs is the same for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.cli.poller import READ, Poller
from vmdbg.cli.runner import PlainRunner, Runner
from vmdbg.cli.values import TcpAddress, UnixPath
from vmdbg.machine.console import Listener
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine

if TYPE_CHECKING:
    from vmdbg.timeline.timeline import Timeline

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Seat:
    """`push` takes inputs that come now; `hear` calls a listener with each byte of output the first time it is said."""

    runner: Runner
    push: Callable[[Input], None]
    hear: Callable[[Listener], None]


def plain_seat(machine: Machine) -> Seat:
    def hear(listener: Listener) -> None:
        for console in (*machine.serial, machine.debug_console):
            console.listeners.append(listener)

    return Seat(PlainRunner(machine), machine.push, hear)


def timeline_seat(timeline: Timeline) -> Seat:
    """Nobody, but what happens is kept."""
    from vmdbg.cli.history import TimelineRunner

    return Seat(TimelineRunner(timeline), timeline.push, timeline.console.listeners.append)


def gdb_seat(timeline: Timeline, address: TcpAddress | UnixPath, *, wait: bool, poller: Poller, say: Say) -> Seat:
    """Serves gdb at `address`, and says where. Raises UserError if that is impossible.

    Imports here what a run without a debugger need not wait for.
    """
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.gdb.runner import GdbRunner
    from vmdbg.gdb.server import GdbServer

    debugger = Debugger(timeline)
    server = GdbServer(debugger, log=say)
    if isinstance(address, UnixPath):
        server.listen_unix(address.path)
        where = address.path
    else:
        where = str(TcpAddress(*server.listen_tcp(address.host, address.port)))
    poller.watch(server.fileno(), READ, lambda _events: None)
    say(f"{'waiting for' if wait else 'ready for'} gdb: target remote {where}")
    runner = GdbRunner(debugger, server, wait=wait)
    return Seat(runner, timeline.push, timeline.console.listeners.append)
