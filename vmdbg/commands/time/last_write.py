"""last-write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vmdbg.commands.declare import command
from vmdbg.commands.points.watch import object_size
from vmdbg.debugger.actions import Seek
from vmdbg.debugger.back_to import OWNER
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stepping import instruction_at
from vmdbg.document.document import Document, Style, Text, document, hexadecimal, joined, pairs, text
from vmdbg.engine.exits import Access, WatchHit, WatchpointHit
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text, writer_text
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.reverse import reverse_search
from vmdbg.units import PAGE_SIZE

WORD = 8


def declare(parser: Parser) -> None:
    parser.add_argument("place", metavar="ADDRESS", help="address, symbol or phys:address")
    parser.add_argument(
        "size", nargs="?", default="", metavar="EXPRESSION", help="bytes; else the symbol's or a word's"
    )
    parser.add_argument("--go", action="store_true", help="go there: the instruction is about to write")


@command(
    "last-write",
    Group.TIME,
    declare,
    aliases=("who-wrote", "last"),
    examples=("last-write rsp", "last-write rsp 8 --json", "last-write phys:0x1000 --go"),
)
def last_write(session: Session, arguments: Arguments) -> Document:
    """Find the last write to memory before now: when, by which code, and what was there before."""
    if arguments.go and Effect.RUNS not in session.allowed:
        raise UserError("last-write --go cannot be used here: a watchpoint and going back to it lead there too")
    place = session.place(arguments.place, aim=Aim.OBJECT)
    size = object_size(session, place, arguments.size)
    debugger = session.debugger
    here = debugger.position
    point = debugger.points.add_watchpoint(place.address, size, (Access.WRITE,), space=place.space, owner=OWNER)
    hits: list[tuple[WatchHit, bytes]] = []

    def is_write(outcome: TimelineOutcome) -> bool:
        if not isinstance(outcome, WatchpointHit):
            return False
        own = [(hit, _written(debugger, hit)) for hit in outcome.hits if hit.number == point.number]
        hits[:] = own or hits
        return bool(own)

    with elsewhen(session):
        debugger.points.arm(debugger.engine)
        try:
            found = reverse_search(debugger.timeline, is_write, session.progress, lambda: debugger.interrupt_wanted)
        finally:
            debugger.points.remove(point)
            debugger.points.arm(debugger.engine)
        if found is None:
            return document(f"nothing wrote there between {debugger.timeline.start} and {here}", value={})
        result = _described(session, _whole(hits))
    return result + session.execution.act(Seek(found)) if arguments.go else result


def _written(debugger: Debugger, hit: WatchHit) -> bytes:
    """What is there now that the instruction has retired, as much of it as is known of what was there before."""
    return hit.looked_at(debugger.engine.read_physical).new


def _whole(hits: Sequence[tuple[WatchHit, bytes]]) -> list[tuple[WatchHit, bytes]]:
    """With the parts of an access that goes on in the next page, which may be anywhere in memory, as one."""
    found: list[tuple[WatchHit, bytes]] = []
    for hit, new in hits:
        before = found[-1][0] if found else None
        if (
            before is not None
            and not hit.device
            and hit.linear == before.linear + before.size
            and not hit.linear % PAGE_SIZE
        ):
            both = replace(before, size=before.size + hit.size, old=before.old + hit.old)
            found[-1] = both, found[-1][1] + new
        else:
            found.append((hit, new))
    return found


def _described(session: Session, found: Sequence[tuple[WatchHit, bytes]]) -> Document:
    debugger = session.debugger
    rows = [("at tick", text(str(debugger.position)))]
    if found and found[0][0].device:
        rows += [("by", writer_text(found[0][0])), ("after", place_text(session, debugger.pc))]
    else:
        rows += [
            ("by", place_text(session, debugger.pc)),
            ("instruction", text(str(instruction_at(debugger)))),
        ]
    if found:
        words = [part for one in found for part in ("; ", *_words(*one))]
        rows.append(("wrote", joined(words[1:])))
    return document(pairs(rows))


def _words(hit: WatchHit, new: bytes) -> tuple[Text | str, ...]:
    return text(f"{hit.size} bytes at {hit.linear:#x}: "), _value(new), ", ", _value(hit.old), " before"


def _value(data: bytes) -> Text:
    """A number, or for what is longer than one its first bytes."""
    if len(data) <= WORD:
        return hexadecimal(int.from_bytes(data, "little"))
    return text(data.hex(" "), Style.NUMBER)
