"""`vmdbg record`: the short form of `vmdbg run --record`."""

from __future__ import annotations

import argparse

from vmdbg.cli import run as run_command
from vmdbg.cli.run_options import add_run_options
from vmdbg.errors import UserError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "record",
        help=line,
        description="The same as `vmdbg run --record RECORDING`.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING", help="the new file to write")
    add_run_options(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, GuestError, EngineError."""
    if options.record is not None:
        raise UserError(
            f"the recording is named twice, {options.recording} and --record {options.record}: name it once"
        )
    options.record = options.recording
    return run_command.run(options)
