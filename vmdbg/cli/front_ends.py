"""Which front ends sit at the machine, as the options have it: for `run` and `replay` alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.cli.dap_options import DapService
from vmdbg.cli.gdb_options import GdbService
from vmdbg.cli.web_options import WebService
from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.poller import READ
from vmdbg.host.run_loop import RunLoop

if TYPE_CHECKING:
    from dapstub.server import Server as EditorServer
    from vmdbg.dap.guest import GuestDebugger
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.gdb.server import GdbServer
    from vmdbg.host.arbiter import Arbiter
    from vmdbg.repl.front_end import AtPrompt, PromptFrontEnd
    from vmdbg.session.symbol_file import SymbolFile
    from vmdbg.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """`stay`: the user asked for the prompt. `stands`: the guest does not run yet. `lines` are carried out first.

    `console`: the user can be given the guest's console, or there is no user. `at_prompt` and `at_console` as
    PromptFrontEnd has them.
    """

    at_prompt: AtPrompt
    at_console: Callable[[], None] = lambda: None
    stay: bool = False
    stands: bool = True
    lines: tuple[str, ...] = ()
    as_json: bool = False
    console: bool = True


@dataclass(slots=True)
class FrontEnds:
    """Those of one run, with the loop that they share. `failed`: a scripted line of the prompt did."""

    loop: RunLoop
    arbiter: Arbiter
    prompt: PromptFrontEnd | None = None

    @property
    def failed(self) -> bool:
        return self.prompt is not None and self.prompt.failed


def seat(
    timeline: Timeline,
    loop: RunLoop,
    services: Sequence[GdbService],
    prompt: PromptOptions | None,
    symbols: Sequence[SymbolFile],
    *,
    stands: bool,
    editors: Sequence[DapService] = (),
    page: WebService | None = None,
) -> FrontEnds:
    """Have them share the machine in `loop`. With `stands` it waits at its first instruction. Raises UserError.

    Imports here what a run without a debugger need not wait for.
    """
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.host.arbiter import Arbiter

    debugger = Debugger(timeline)
    debugger.stop_listeners.append(lambda _stop: loop.flush())
    arbiter = Arbiter(debugger)
    loop.runner.close()
    loop.runner = arbiter
    made = FrontEnds(loop, arbiter)
    for number, service in enumerate(services):
        _serve_gdb(made, debugger, service, symbols, number=number, stands=stands)
    guests = [
        _serve_dap(made, debugger, editor, symbols, number=number, stands=stands)
        for number, editor in enumerate(editors)
    ]
    if page is not None:
        url = _serve_page(made, debugger, page, symbols)
        for guest in guests:
            guest.page = url
    if prompt is not None:
        made.prompt = _sit_at_prompt(made, debugger, prompt, symbols)
    loop.poller.watch(arbiter.fileno(), READ, lambda _events: arbiter.serve())
    if not stands:
        arbiter.go()
    return made


def _sit_at_prompt(
    made: FrontEnds, debugger: Debugger, options: PromptOptions, symbols: Sequence[SymbolFile]
) -> PromptFrontEnd:
    from vmdbg.repl.app import Repl
    from vmdbg.repl.front_end import PromptFrontEnd

    repl = Repl(debugger, made.loop, console=options.console, as_json=options.as_json)
    for file in symbols:
        repl.session.sources.use(file)
    prompt = PromptFrontEnd(
        debugger,
        repl,
        options.at_prompt,
        options.at_console,
        stay=options.stay,
        stands=options.stands,
        scripted=options.lines,
    )
    made.arbiter.join(prompt)
    return prompt


def _serve_gdb(
    made: FrontEnds,
    debugger: Debugger,
    service: GdbService,
    symbols: Sequence[SymbolFile],
    *,
    number: int,
    stands: bool,
) -> None:
    """Serve it, and say where."""
    from vmdbg.gdb.front_end import GdbFrontEnd
    from vmdbg.gdb.lifecycle import OWNER
    from vmdbg.gdb.server import GdbServer
    from vmdbg.session.new_files import Outbox

    owner = f"{OWNER} {number + 1}" if number else OWNER
    say, arbiter = made.loop.say, made.arbiter
    server = GdbServer(
        debugger,
        view=service.view,
        files=Outbox(service.files) if service.files is not None else None,
        symbols=symbols,
        leaving=service.leaving,
        log=say,
        owner=owner,
        is_held=lambda: arbiter.is_held_but_by(owner),
    )
    arbiter.join(GdbFrontEnd(debugger, server))
    say(f"{'waiting for' if stands else 'ready for'} gdb: target remote {_listen(server, service.address)}")


def _serve_dap(
    made: FrontEnds,
    debugger: Debugger,
    service: DapService,
    symbols: Sequence[SymbolFile],
    *,
    number: int,
    stands: bool,
) -> GuestDebugger:
    """Serve it, and say where. Who has started this process may do with the host what it can do anyway."""
    from dapstub.server import Server
    from vmdbg.dap.front_end import DapFrontEnd
    from vmdbg.dap.guest import OWNER, GuestDebugger
    from vmdbg.session.registry import Effect

    say, address, arbiter = made.loop.say, service.address, made.arbiter
    owner = f"{OWNER} {number + 1}" if number else OWNER
    allowed = Effect.CHANGES | Effect.RUNS
    if not isinstance(address, TcpAddress) or address.is_loopback:
        allowed |= Effect.HOST
    guest = GuestDebugger(
        debugger,
        allowed=allowed if address is not None else allowed | Effect.FILES,
        symbols=symbols,
        owner=owner,
        stands=stands,
        is_held=lambda: arbiter.is_held_but_by(owner),
    )
    server = service.adopt(guest) if service.adopt is not None else Server(guest, say)
    arbiter.join(DapFrontEnd(debugger, server, guest, made.loop, arbiter, only=address is None))
    if address is not None:
        say(f"ready for editors: DAP at {_listen_for_editors(server, address, say)}")
    return guest


def _listen_for_editors(server: EditorServer, address: TcpAddress | UnixPath, say: Callable[[str], None]) -> str:
    """Raises UserError."""
    try:
        if isinstance(address, UnixPath):
            server.listen_unix(address.path)
            return str(address)
        found = TcpAddress(*server.listen_tcp(address.host, address.port))
    except OSError as error:
        raise UserError(f"cannot listen for editors on {address}: {error.strerror or error}") from error
    if not found.is_loopback:
        say(f"editors can attach from other hosts, on {found}: whoever reaches that port owns the guest")
    return str(found)


def _serve_page(made: FrontEnds, debugger: Debugger, service: WebService, symbols: Sequence[SymbolFile]) -> str:
    """Serve it, and say where: its URL. Who knows that may do what who has started this process can.

    Raises UserError.
    """
    try:
        from vmdbg.web.server import WebServer
    except ModuleNotFoundError as error:
        raise UserError(f"the browser view needs {error.name}: pip install 'vmdbg[web]'") from error
    from vmdbg.session.registry import Effect
    from vmdbg.web.desk import Desk
    from vmdbg.web.front_end import WebFrontEnd
    from vmdbg.web.page_files import page_files

    server = WebServer(page_files())
    try:
        url = server.listen(service.address)
    except UserError:
        if service.chosen:
            raise
        url = server.listen(TcpAddress(service.address.host, 0))
    allowed = Effect.CHANGES | Effect.RUNS
    if service.address.is_loopback:
        allowed |= Effect.HOST
    loop, arbiter = made.loop, made.arbiter
    desk = Desk(debugger, server, allowed=allowed, push=loop.push, recording=service.recording, symbols=symbols)
    desk.others = lambda: arbiter.present_but(desk.owner)
    arbiter.join(WebFrontEnd(debugger, desk, loop, arbiter))
    if not service.address.is_loopback:
        loop.say(f"other hosts can open the page, on {service.address}: whoever has its URL owns the guest")
    loop.say(f"the page for browsers: {url}")
    return url


def _listen(server: GdbServer, address: TcpAddress | UnixPath) -> str:
    if isinstance(address, UnixPath):
        server.listen_unix(address.path)
        return address.path
    return str(TcpAddress(*server.listen_tcp(address.host, address.port)))
