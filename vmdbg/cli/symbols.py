"""`vmdbg symbols`: what a kernel knows about itself, as a file for gdb."""

from __future__ import annotations

import argparse

from vmdbg.cli.run_options import add_left_out
from vmdbg.errors import UserError
from vmdbg.host.terminal import message
from vmdbg.timeline.mark_forms import FORMS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "symbols",
        help=line,
        description="Read the names, types and unwind tables of a Linux kernel out of the guest of a recording, and "
        "write them as an ELF file: gdb then knows the kernel without its debug package.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.add_argument("file", metavar="FILE", help="the ELF file to write")
    parser.add_argument("--at", metavar="POSITION", default="end", help=f"{FORMS} (end)".replace("%", "%%"))
    add_left_out(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, GuestError, EngineError."""
    from vmdbg.cli.history import progress_shown, warn_of_damage  # much to load, for this command only
    from vmdbg.commands import catalog
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.recording.reader import open_recording
    from vmdbg.recording.replay import replay
    from vmdbg.session.linux import need_linux
    from vmdbg.session.session import Session
    from vmdbg.timeline.marks import parse_mark, seek_mark

    mark = parse_mark(options.at)
    with open_recording(options.recording, options.left_out) as recording:
        warn_of_damage(recording, message)
        timeline = replay(recording)
        try:
            with progress_shown("replaying") as progress:
                seek_mark(timeline, mark, progress)
            linux = need_linux(Session(Debugger(timeline), catalog.commands).system)
            data = linux.gdb_elf()
            release = linux.info().release
        finally:
            timeline.machine.close()
    _write(options.file, data)
    message(f"{options.file}: Linux {release} for gdb")
    return 0


def _write(path: str, data: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
