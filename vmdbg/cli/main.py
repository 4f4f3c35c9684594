"""`vmdbg`: parse the command line, run the command, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Collection, Sequence
from importlib import import_module

from vmdbg.cli.arguments import Parser
from vmdbg.errors import EngineError, GuestError, NotKeptError, VmdbgError
from vmdbg.host.exit_code import SIGNAL_BASE, ExitCode
from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import message, terminal_is_gone
from vmdbg.interruption import StoppedError
from vmdbg.version import VERSION

COMMANDS = {
    "run": "boot a guest",
    "record": "boot a guest and record everything that happens",
    "replay": "replay a recording",
    "lab": "run several machines on one clock, or replay them",
    "query": "ask what happened in a recording",
    "save": "write one instant of a recording as a snapshot",
    "explore": "run what a recording holds by other schedules, until it fails",
    "film": "make a film of the screen in a recording",
    "script": "run a Python file that uses the vmdbg API",
    "symbols": "write a Linux guest's names and types as a file for gdb",
    "devices": "list the devices of the machine",
    "dap": "debug from an editor",
    "mcp": "let an assistant look at recordings",
    "doctor": "check this installation",
}
"""What each is for. Each is a module of this package, loaded for who gives the command."""
TRACEBACK_VARIABLE = "VMDBG_TRACEBACK"
_OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `vmdbg` with `arguments`, those of the process by default; the exit code."""
    with SIGNALS.heed():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    try:
        words = sys.argv[1:] if arguments is None else arguments
        options = parser(_needed(words)).parse_args(words)
        code = int(options.command(options))
        sys.stdout.flush()
        return code
    except StoppedError as error:
        SIGNALS.leaving()
        return _signalled(error.number)
    except KeyboardInterrupt:
        return _signalled(signal.SIGINT)
    except BrokenPipeError:
        _silence_stdout()
        return SIGNAL_BASE + signal.SIGPIPE
    except Exception as error:  # no traceback reaches a user
        if SIGNALS.number is not None or terminal_is_gone():
            return _signalled(SIGNALS.number or signal.SIGHUP)  # what failed may have done so for that
        return _error(error)


def _signalled(number: int) -> int:
    message("interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}")
    if terminal_is_gone():
        _silence_stdout()
    return SIGNAL_BASE + number


def _error(error: Exception) -> int:
    if isinstance(error, VmdbgError):
        return _failed(str(error), _exit_code(error))
    if isinstance(error, MemoryError):
        return _failed("this computer has too little free memory", ExitCode.ENGINE)
    if isinstance(error, OSError) and error.errno in _OUTPUT_LOST:
        _silence_stdout()
        return _failed(f"cannot write the output: {error.strerror}", ExitCode.USAGE)
    if os.environ.get(TRACEBACK_VARIABLE):
        import traceback

        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}"
    hint = f"this is a bug in vmdbg; {TRACEBACK_VARIABLE}=1 in the environment shows where"
    return _failed(f"{what} ({hint})", ExitCode.ENGINE)


def _needed(words: Sequence[str]) -> Sequence[str]:
    """The command that these words are for, if any is: what is not loaded need not be waited for."""
    first = next((word for word in words if not word.startswith("-")), "")
    return (first,) if first in COMMANDS else ()


def parser(commands: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Of the whole command line, or with these commands' options alone."""
    made = Parser(
        prog="vmdbg",
        description="A deterministic virtual machine monitor made for debugging.",
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"vmdbg {VERSION}")
    subparsers = made.add_subparsers(
        metavar="COMMAND", required=True, dest="command_name", prog=made.prog, parser_class=Parser
    )
    for command, line in COMMANDS.items():
        if command in commands:
            import_module(f"vmdbg.cli.{command}").add_parser(subparsers, line)
        else:
            subparsers.add_parser(command, help=line)
    return made


def _exit_code(error: VmdbgError) -> ExitCode:
    if isinstance(error, EngineError | NotKeptError):
        return ExitCode.ENGINE
    return ExitCode.GUEST_DIED if isinstance(error, GuestError) else ExitCode.USAGE


def _failed(text: str, code: ExitCode) -> int:
    message(f"error: {' '.join(text.split())}")
    return int(code)


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about output that it cannot flush."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
