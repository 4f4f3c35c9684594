"""`vmdbg replay`: a recording again, alone or under a debugger."""

from __future__ import annotations

import argparse

from vmdbg.cli.dap_options import add_dap_options
from vmdbg.cli.gdb_options import add_gdb_options
from vmdbg.cli.run_options import add_checkpoint_memory, add_left_out, add_prompt_options, add_symbols
from vmdbg.cli.web_options import add_web_option
from vmdbg.timeline.mark_forms import FORMS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "replay",
        help=line,
        description="Replay a recording to its end or to an instant of it, and print what the guest printed.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.add_argument("--to", metavar="POSITION", help=FORMS.replace("%", "%%"))
    parser.add_argument("--verify", action="store_true", help="replay all of it and say how many digests agreed")
    parser.add_argument("--quiet", action="store_true", help="do not print what the guest printed")
    parser.add_argument("--digest", metavar="FILE", help="write hashes of the machine at the end as JSON; - for stdout")
    add_symbols(parser)
    add_left_out(parser)
    group = parser.add_argument_group("debugger")
    add_gdb_options(group)
    add_dap_options(group)
    add_web_option(group)
    add_prompt_options(group)
    add_checkpoint_memory(group)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    from vmdbg.cli.replaying import replay_recording  # much to load, for this command only

    return replay_recording(options)
