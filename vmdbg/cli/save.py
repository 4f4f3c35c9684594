"""`vmdbg save`: one instant of a recording, as a snapshot that any vmdbg of this version can go on from."""

from __future__ import annotations

import argparse

from vmdbg.cli.run_options import add_left_out, add_symbols
from vmdbg.cli.symbol_files import symbol_files
from vmdbg.host.terminal import message
from vmdbg.timeline.mark_forms import FORMS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "save",
        help=line,
        description="Write the machine at one instant of a recording to a file; `vmdbg run --from` goes on from it.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="the new file to write")
    parser.add_argument("--at", metavar="POSITION", default="end", help=f"{FORMS} (end)".replace("%", "%%"))
    add_symbols(parser)
    add_left_out(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    from vmdbg.cli.history import go_to_mark, progress_shown, warn_of_damage  # much to load, for this command only
    from vmdbg.recording.reader import open_recording
    from vmdbg.recording.replay import replay
    from vmdbg.recording.save import save_snapshot

    symbols = symbol_files(options.symbols)
    with open_recording(options.recording, options.left_out) as recording:
        warn_of_damage(recording, message)
        timeline = replay(recording)
        try:
            with progress_shown("replaying") as progress:
                position = go_to_mark(timeline, options.at, symbols, progress)
            save_snapshot(timeline, options.snapshot)
        finally:
            timeline.machine.close()
    message(f"{options.snapshot}: the machine at tick {position}")
    return 0
