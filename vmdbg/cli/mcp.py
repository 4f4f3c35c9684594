"""`vmdbg mcp`: tools for an assistant, which has started this process."""

from __future__ import annotations

import argparse

from vmdbg.errors import UserError
from vmdbg.host.exit_code import ExitCode

MISSING = "`vmdbg mcp` needs the package mcp: pip install 'vmdbg[mcp]'"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "mcp",
        help=line,
        description="Serve tools by the Model Context Protocol on stdin and stdout: open a recording, go anywhere in "
        "it, ask its history. Nothing can be changed, and no file but recordings is read, unless that is allowed.",
        allow_abbrev=False,
    )
    changes = "let what is asked change the guest, on a fork of its history"
    parser.add_argument("--allow-changes", action="store_true", help=changes)
    parser.set_defaults(command=serve)


def serve(options: argparse.Namespace) -> int:
    """Until the other end closes. Raises UserError."""
    try:
        from vmdbg.mcp.server import serve as serve_tools
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("mcp"):
            raise
        raise UserError(MISSING) from error
    from vmdbg.mcp.desk import Desk

    desk = Desk(changes=options.allow_changes)
    try:
        serve_tools(desk)
    finally:
        desk.close()
    return int(ExitCode.DONE)
