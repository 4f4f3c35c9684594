"""`vmdbg script`: run a Python file that uses the API."""

from __future__ import annotations

import argparse
import runpy
import sys
import traceback
from os.path import isfile
from pathlib import Path

from vmdbg.errors import UserError, VmdbgError
from vmdbg.host.terminal import message

SCRIPT_FAILED = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "script",
        help=line,
        description="Run a Python file as __main__, with sys.argv as if Python itself had run it.",
        epilog="In the file, `import vmdbg`; see docs/python.md.",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The script's exit code. Raises UserError if there is no such file, and what of ours the script lets through."""
    path = Path(options.file)
    if not isfile(path):
        raise UserError(f"there is no script {path}")
    before, sys.argv = sys.argv, [str(path), *options.arguments]
    sys.path.insert(0, str(path.parent))
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as error:
        return _exit_code(error)
    except (VmdbgError, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        _show(error, path)
        return SCRIPT_FAILED
    finally:
        sys.argv = before
        sys.path.remove(str(path.parent))
    return 0


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    message(str(error.code))
    return SCRIPT_FAILED


def _show(error: Exception, path: Path) -> None:
    """The traceback from the script's own code on: the script is the user's program."""
    if isinstance(error, SyntaxError):
        sys.stderr.write("".join(traceback.format_exception_only(error)))
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))
