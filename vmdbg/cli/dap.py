"""`vmdbg dap`: one editor, which has started this process and speaks the Debug Adapter Protocol with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from dapstub.errors import TargetError
from dapstub.json_values import Json
from dapstub.server import Server
from dapstub.target import Client, Target
from vmdbg.cli import replay, run
from vmdbg.cli.arguments import Parser
from vmdbg.cli.dap_options import DapService
from vmdbg.dap.catches import FILTERS
from vmdbg.dap.guest import GuestDebugger
from vmdbg.dap.launch_words import RECORDING, member_of, words_of
from vmdbg.errors import UserError, VmdbgError
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.serial_lines import NoSerial
from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import is_terminal


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "dap",
        help=line,
        description="Serve one editor on stdin and stdout, by the Debug Adapter Protocol. Its launch request says what "
        "to boot, by the options of `vmdbg run`, or which recording to open.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=serve)


class NotYet:
    """Before there is a guest."""

    filters = FILTERS

    def launch(self, arguments: Mapping[str, Json], client: Client) -> Target:
        raise TargetError("there is no guest yet")

    attach = launch

    def configured(self) -> None: ...

    def restart(self) -> None: ...

    def disconnect(self, *, terminate: bool | None) -> None: ...


class _Quiet(Parser):
    """Says what is wrong to whoever asked, not to a terminal."""

    def error(self, message: str) -> None:  # type: ignore[override]  # the base's never returns, and neither does this
        raise UserError(message)


def serve(_options: argparse.Namespace) -> int:
    """Until the client is gone. Raises UserError at a terminal."""
    if is_terminal(0):
        raise UserError("`vmdbg dap` is started by an editor; `vmdbg run --dap PORT` waits for one")
    server = Server(NotYet(), _say, held=True)
    server.serve_pipes(*_own_pipes())
    try:
        code = _served(server)
    finally:
        server.close()
    return code


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _own_pipes() -> tuple[int, int]:
    """Nothing else of this process reads or writes where the protocol is spoken."""
    reads, writes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reads, writes


def _served(server: Server) -> int:
    with SIGNALS.at_work():
        while not server.gone and (server.session is None or server.session.begins is None):
            server.poll(None)
    if server.session is None or server.session.begins is None:
        return ExitCode.DONE
    try:
        return _begun(server, server.session.begins.arguments)
    except VmdbgError as error:
        server.refuse(str(error))
        while not server.gone:
            server.poll(None)
        return ExitCode.USAGE


def _begun(server: Server, arguments: Mapping[str, Json]) -> int:
    """Boot what is asked for, or open the recording, and let the editor have it."""

    def adopt(guest: GuestDebugger) -> Server:
        server.release(guest)
        return server

    options = _options(arguments)
    options.dap_client = DapService(adopt=adopt)
    return int(options.command(options))


def _options(arguments: Mapping[str, Json]) -> argparse.Namespace:
    """Those of the command that the client's words are for. Raises UserError."""
    parser: argparse.ArgumentParser = _Quiet(prog="vmdbg", allow_abbrev=False)
    made: type[argparse.ArgumentParser] = _Quiet
    commands = parser.add_subparsers(required=True, parser_class=made)
    replay.add_parser(commands, "")
    run.add_parser(commands, "")
    command = "replay" if RECORDING in arguments else "run"
    options, strange = parser.parse_known_args([command, *words_of(arguments)])
    if strange:
        raise UserError(f"{member_of(arguments, strange[0])} is no option of `vmdbg {command}`: leave it out")
    if RECORDING in arguments:
        options.quiet = True
    elif options.serial is None:
        options.serial = NoSerial()
    return options
