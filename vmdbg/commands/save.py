"""save and snapshot."""

from __future__ import annotations

from vmdbg.commands.document import Document, document
from vmdbg.commands.registry import Arguments, Effect, Group, Parser, command
from vmdbg.commands.session import Session
from vmdbg.recording.save import save_recording, save_snapshot


def declare(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file; none is ever overwritten")


@command(
    "save",
    Group.TIME,
    declare,
    aliases=("save-recording",),
    examples=("save crash.vmdbg",),
    effect=Effect.HOST,
)
def save(session: Session, arguments: Arguments) -> Document:
    """Write the whole history to a recording, which `vmdbg replay` and `vmdbg query` take."""
    timeline = session.debugger.timeline
    save_recording(timeline, arguments.file)
    return document(f"{arguments.file}: from tick {timeline.start} to {timeline.end}")


@command("snapshot", Group.TIME, declare, examples=("snapshot before-the-crash.vmdbg",), effect=Effect.HOST)
def snapshot(session: Session, arguments: Arguments) -> Document:
    """Write the machine as it is now to a snapshot that `vmdbg run --from` goes on from."""
    save_snapshot(session.debugger.timeline, arguments.file)
    return document(f"{arguments.file}: the machine at tick {session.debugger.position}")
