"""`vmdbg query`: the prompt's command, on a recording."""

from __future__ import annotations

import argparse
import sys

from vmdbg.cli.arguments import Parser
from vmdbg.document.document import Json
from vmdbg.errors import UserError
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.terminal import message
from vmdbg.host.values import number
from vmdbg.session.question_options import declare
from vmdbg.timeline.mark_forms import FORMS


def add_parser(commands: argparse._SubParsersAction[Parser], line: str) -> None:
    parser = commands.add_parser(
        "query",
        help=line,
        description="Answer a question about a whole recording, on all cores: what `query` does at the prompt.",
        epilog=f"An ADDRESS is a number, a symbol or an expression. A POSITION is {FORMS}.",
        allow_abbrev=False,
    )
    parser.intermixed = True
    parser.add_argument("recording", metavar="RECORDING")
    declare(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, with all rows")
    parser.add_argument("--pcap", metavar="FILE", help="of packets: write them to a new file for Wireshark and others")
    parser.add_argument("--workers", type=number, metavar="N", help="processes to use (one a core)")
    parser.add_argument(
        "--symbols", action="append", default=[], metavar="FILE", help="an ELF file or System.map; may be repeated"
    )
    parser.add_argument(
        "--left-out",
        action="append",
        default=[],
        metavar="FILE",
        help="a file that the recording was made without; may be repeated",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Where the recording ends, so that what a guest knows by then has its names. All rows are shown unless `--limit`
    says otherwise. Raises UserError, RecordingError, EngineError.
    """
    from vmdbg.api.boot import open_recording  # much to load, for this command only
    from vmdbg.cli.history import progress_shown, warn_of_damage
    from vmdbg.commands.time.query import query
    from vmdbg.document.plain import render_json, render_plain

    if options.pcap is not None and options.question != "packets":
        raise UserError(f"--pcap means nothing to {options.question}: it is for packets")
    options.limit = options.limit or sys.maxsize
    _take_condition(options)
    with open_recording(options.recording, left_out=options.left_out) as guest, progress_shown("searching") as progress:
        assert guest.recording is not None
        warn_of_damage(guest.recording, message)
        for path in options.symbols:
            guest.load_symbols(path)
        guest.seek("end", progress)
        guest.session.progress, guest.session.workers = progress, options.workers
        answer = query(guest.session, options)
        if options.pcap is not None:
            _write_packets(options.pcap, guest.timeline.machine.config.start, answer.value)
    sys.stdout.write(render_json(answer) if options.json else render_plain(answer))
    return ExitCode.DONE


def _write_packets(path: str, start: int, rows: Json) -> None:
    """What the rows of packets have, but for those that were lost. Raises UserError."""
    from vmdbg.recording.pcap import PcapFile

    file = PcapFile(path, start)
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and not row["fate"]:
            file.write(find_tick(str(row["position"])), bytes.fromhex(str(row["frame"])))
    file.close()
    if file.failed:
        raise UserError(file.failed)


def find_tick(position: str) -> int:
    """Of a position as rows have it."""
    return int(position.partition("+")[0])


def _take_condition(options: argparse.Namespace) -> None:
    """`if` among the words begins one, as at the prompt."""
    if "if" in options.what:
        at = options.what.index("if")
        options.what, options.condition = options.what[:at], " ".join(options.what[at + 1 :])
