"""`vmdbg lab`: several machines on one clock, or their recording."""

from __future__ import annotations

import argparse
from os.path import isdir

from vmdbg.cli.arguments import Parser
from vmdbg.errors import UserError

EXAMPLES = """examples:
  vmdbg lab three.toml                              until all have ended, or Ctrl-C
  vmdbg lab three.toml --until 10s --record run1    and keep it
  vmdbg lab three.toml --repl                       at the prompt, from the first instant
  vmdbg lab three.toml --gdb 1234                   gdb at each machine, from the first instruction
  vmdbg lab run1 --verify                           replay all, and say how many digests agreed
  vmdbg lab run1 --to 2.5s --repl                   all machines at one instant of their clock
  vmdbg replay run1/client.vmdbg --repl             one alone, as any recording

docs/lab.md has the keys of the file.
"""


def add_parser(commands: argparse._SubParsersAction[Parser], line: str) -> None:
    parser = commands.add_parser(
        "lab",
        help=line,
        description="Run the machines, switches and links of a TOML file on one clock; or, of a folder that --record "
        "made, replay them as a whole.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("plan", metavar="FILE.toml|FOLDER")
    parser.add_argument("--record", metavar="FOLDER", help="make a new folder with a recording of all")
    parser.add_argument("--until", metavar="TIME", help="stop at that instant, as 2.5s")
    parser.add_argument(
        "--one-process", action="store_true", help="run all machines in this process, not each in one of its own"
    )
    parser.add_argument("--digest", action="store_true", help="print the hashes of all machines at the end, as JSON")
    parser.add_argument("--repl", action="store_true", help="debug at a prompt, in one process")
    parser.add_argument(
        "-x", "--execute", action="append", default=[], metavar="COMMAND", help="a command of that prompt; repeated"
    )
    parser.add_argument("--to", metavar="TIME", help="of a recording: go to that instant")
    parser.add_argument("--verify", action="store_true", help="of a recording: replay all of it")
    each = "serve gdb at every machine, at that port and those after it; of a FILE.toml, in one process"
    parser.add_argument("--gdb", metavar="[HOST:]PORT", help=each)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, GuestError, RecordingError, EngineError."""
    from vmdbg.cli.labs import replay_lab, run_lab  # much to load, for this command only

    if isdir(options.plan):
        if options.record or options.until or options.one_process:
            raise UserError(f"{options.plan} is a recording: --record, --until and --one-process are for a file")
        return replay_lab(options)
    if options.to or options.verify:
        raise UserError(f"{options.plan} is no recording of a lab: --to and --verify are for one")
    if options.gdb and (options.repl or options.execute):
        raise UserError("--gdb and a prompt are not had at once of a lab: leave one out")
    return run_lab(options)
