"""The seats that have a timeline: nobody's, gdb's, the prompt's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.cli.gdb_options import GdbService
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.poller import READ, Poller
from vmdbg.host.realtime import Realtime
from vmdbg.host.seat import Say, Seat

if TYPE_CHECKING:
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.gdb.server import GdbServer
    from vmdbg.repl.runner import AtPrompt
    from vmdbg.session.symbol_file import SymbolFile
    from vmdbg.timeline.timeline import Timeline


def timeline_seat(timeline: Timeline) -> Seat:
    """Nobody, but what happens is kept."""
    from vmdbg.cli.history import TimelineRunner

    return Seat(TimelineRunner(timeline), timeline.push, timeline.console.listeners.append)


def gdb_seat(
    timeline: Timeline,
    service: GdbService,
    symbols: Sequence[SymbolFile],
    *,
    wait: bool,
    poller: Poller,
    say: Say,
) -> Seat:
    """Serves gdb, and says where. Raises UserError if that is impossible.

    Imports here what a run without a debugger need not wait for.
    """
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.gdb.runner import GdbRunner

    debugger = Debugger(timeline)
    server = _serve_gdb(debugger, service, symbols, wait=wait, poller=poller, say=say)
    return Seat(GdbRunner(debugger, server, wait=wait), timeline.push, timeline.console.listeners.append)


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """`stay`: the user asked for the prompt. `stands`: the guest does not run yet. `lines` are carried out first.

    `console`: the user can be given the guest's console, or there is no user.
    """

    stay: bool = False
    stands: bool = True
    lines: tuple[str, ...] = ()
    as_json: bool = False
    gdb: GdbService | None = None
    symbols: Sequence[SymbolFile] = ()
    realtime: Realtime | None = None
    console: bool = True


def prompt_seat(
    timeline: Timeline,
    options: PromptOptions,
    *,
    at_prompt: AtPrompt,
    at_console: Callable[[], None],
    flush: Callable[[], None],
    over: Callable[[], bool],
    poller: Poller,
    say: Say,
) -> Seat:
    """The user's prompt, with gdb beside it if there is an address. UserError.

    `flush` shows what the guest wrote; `over` says that the run is to end.
    """
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.repl.app import Repl
    from vmdbg.repl.runner import PromptRunner

    debugger = Debugger(timeline)
    server = None
    if options.gdb is not None:
        server = _serve_gdb(debugger, options.gdb, options.symbols, wait=options.stands, poller=poller, say=say)
    repl = Repl(
        debugger,
        companions=[_Loop(poller, flush)],
        console=options.console,
        over=over,
        realtime=options.realtime,
        as_json=options.as_json,
    )
    debugger.stop_listeners.insert(0, lambda _stop: flush())
    for file in options.symbols:
        repl.session.sources.use(file)
    runner = PromptRunner(
        debugger, repl, server, at_prompt, at_console, stay=options.stay, stands=options.stands, scripted=options.lines
    )
    return Seat(runner, timeline.push, timeline.console.listeners.append)


class _Loop:
    """The run loop's files, looked after while the prompt has the thread."""

    def __init__(self, poller: Poller, flush: Callable[[], None]) -> None:
        self._poller = poller
        self._flush = flush

    def fileno(self) -> int:
        return self._poller.fileno()

    def poll(self) -> None:
        self._poller.wait(0)
        self._flush()


def _serve_gdb(
    debugger: Debugger, service: GdbService, symbols: Sequence[SymbolFile], *, wait: bool, poller: Poller, say: Say
) -> GdbServer:
    from vmdbg.gdb.server import GdbServer
    from vmdbg.session.new_files import Outbox

    files = Outbox(service.files) if service.files is not None else None
    server = GdbServer(debugger, view=service.view, files=files, symbols=symbols, leaving=service.leaving, log=say)
    address = service.address
    if isinstance(address, UnixPath):
        server.listen_unix(address.path)
        where = address.path
    else:
        where = str(TcpAddress(*server.listen_tcp(address.host, address.port)))

    def serve(_events: int) -> None:
        server.poll()

    poller.watch(server.fileno(), READ, serve)
    say(f"{'waiting for' if wait else 'ready for'} gdb: target remote {where}")
    return server
