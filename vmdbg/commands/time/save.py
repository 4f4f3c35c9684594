"""save and snapshot."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file; none is ever overwritten")


@command(
    "save",
    Group.TIME,
    declare,
    aliases=("save-recording",),
    examples=("save crash.vmdbg",),
    effect=Effect.FILES,
)
def save(session: Session, arguments: Arguments) -> Document:
    """Write the whole history to a recording, which `vmdbg replay` and `vmdbg query` take."""
    from vmdbg.recording.save import save_recording

    timeline = session.debugger.timeline
    path = session.files.place(arguments.file)
    save_recording(timeline, path)
    return document(f"{path}: from tick {timeline.start} to {timeline.end}")


@command("snapshot", Group.TIME, declare, examples=("snapshot before-the-crash.vmdbg",), effect=Effect.FILES)
def snapshot(session: Session, arguments: Arguments) -> Document:
    """Write the machine as it is now to a snapshot that `vmdbg run --from` goes on from."""
    from vmdbg.recording.save import save_snapshot

    path = session.files.place(arguments.file)
    save_snapshot(session.debugger.timeline, path)
    return document(f"{path}: the machine at tick {session.debugger.position}")
