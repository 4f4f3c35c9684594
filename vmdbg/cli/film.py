"""`vmdbg film`: what the screen showed in a recording, as an animated picture."""

from __future__ import annotations

import argparse
from os.path import lexists
from pathlib import Path

from vmdbg.cli.run_options import add_left_out
from vmdbg.errors import UserError
from vmdbg.host.terminal import message
from vmdbg.timeline.mark_forms import FORMS

FPS = 10.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "film",
        help=line,
        description="Write what the screen showed in a recording as an animated GIF or PNG, in the guest's time.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.add_argument("film", metavar="FILM", help="the new file to write: .gif or .png")
    parser.add_argument("--fps", type=float, default=FPS, metavar="NUMBER", help="pictures a second (10)")
    forms = FORMS.replace("%", "%%")
    parser.add_argument("--from", dest="begin", metavar="POSITION", default="start", help=f"{forms} (start)")
    parser.add_argument("--to", dest="until", metavar="POSITION", default="end", help=f"{forms} (end)")
    add_left_out(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    from vmdbg.api.boot import open_recording  # much to load, for this command only
    from vmdbg.cli.history import progress_shown, warn_of_damage
    from vmdbg.session.film import film

    path = Path(options.film)
    if lexists(path):
        raise UserError(f"{path} exists; it is not overwritten: choose another name")
    with open_recording(options.recording, left_out=options.left_out) as guest, progress_shown("filming") as progress:
        assert guest.recording is not None
        warn_of_damage(guest.recording, message)
        last, first = guest.seek(options.until, progress), guest.seek(options.begin, progress)
        if last < first:
            raise UserError(f"{options.until} is before {options.begin}: there is nothing to film")
        count, duration = film(guest.timeline, path, fps=options.fps, first=first, last=last, on_progress=progress)
    message(f"{path}: {count} pictures, {duration / 1000:.1f} s")
    return 0
