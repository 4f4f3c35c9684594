"""bookmark."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, document, table, text
from vmdbg.errors import UserError
from vmdbg.session.positions import find_position, percent_of
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session

RESERVED = ("start", "end", "here")


def declare(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="BOOKMARK", help="what to call it; none: list them")
    parser.add_argument("position", nargs="?", default="here", metavar="POSITION", help="which instant (this one)")
    parser.add_argument("--delete", action="store_true", help="forget it")


@command(
    "bookmark",
    Group.TIME,
    declare,
    aliases=("bm", "bookmarks", "checkpoint"),
    examples=("bookmark", "bookmark crash", "bookmark early start"),
)
def bookmark(session: Session, arguments: Arguments) -> Document:
    """Give an instant a name, which goto and all that takes instants understand."""
    marks, name = session.debugger.timeline.bookmarks, arguments.name
    if arguments.delete:
        if marks.pop(name, None) is None:
            raise UserError(f"there is no bookmark {name!r}")
    elif name:
        if not name.replace("-", "_").isidentifier() or name in RESERVED:
            raise UserError(
                f"{name!r} is no name for a bookmark: letters, digits, - and _, and none of {', '.join(RESERVED)}"
            )
        marks[name] = find_position(session, arguments.position)
    rows = [
        (text(one, Style.LABEL), text(str(mark)), text(f"{percent_of(session, mark):.2f}%"))
        for one, mark in sorted(marks.items(), key=lambda item: item[1].tick)
    ]
    return document(table(("name", ">position", ">of history"), rows)) if rows else document("no bookmarks", value=[])
