"""logpoint."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.commands.points.breakpoints import added
from vmdbg.commands.points.conditions import declare_conditions, make_condition
from vmdbg.debugger.guest import Guest
from vmdbg.document.document import Document, Style, count, document, table, text
from vmdbg.errors import UserError
from vmdbg.expressions.template import Template, compile_template
from vmdbg.machine.snapshot import Position
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.units import Tick

if TYPE_CHECKING:
    from vmdbg.session.session import Session

KEPT = 10_000


class Log:
    """What logpoints wrote, each line once however often its instant is passed, in the order of time.

    Of more than KEPT lines those are dropped that are farther from where the guest is.
    """

    def __init__(self, session: Session) -> None:
        self._keys: list[tuple[int, int, int]] = []
        self._texts: list[str] = []
        self.live: set[int] = set()
        """Points whose lines are shown at once, where there is a front end that can."""
        self.listeners: list[Callable[[Position, str], None]] = []
        session.debugger.timeline.fork_listeners.append(self.cut)

    def write(self, position: Position, number: int, words: str) -> None:
        key = (position.tick, position.phase, number)
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            self._keys.insert(at, key)
            self._texts.insert(at, words)
            if len(self._keys) > KEPT:
                far = 0 if at > KEPT // 2 else KEPT
                del self._keys[far], self._texts[far]
        if number in self.live:
            for listener in self.listeners:
                listener(position, words)

    def up_to(self, position: Position, most: int) -> list[tuple[Position, int, str]]:
        """The last lines written at or before an instant."""
        end = self._end(position)
        chosen = range(max(0, end - most), end)
        return [(Position(Tick(self._keys[i][0]), self._keys[i][1]), self._keys[i][2], self._texts[i]) for i in chosen]

    def _end(self, position: Position) -> int:
        return bisect_left(self._keys, (position.tick, position.phase + 1, -1 << 63))

    def cut(self, position: Position) -> None:
        """The history forks there: what was written later is not."""
        end = self._end(position)
        del self._keys[end:], self._texts[end:]

    def clear(self) -> None:
        self._keys.clear()
        self._texts.clear()


def declare(parser: Parser) -> None:
    parser.add_argument("place", metavar="ADDRESS", help="where, as for break")
    parser.add_argument("template", metavar="TEMPLATE", help="text with {expression:format} in it")
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")
    parser.add_argument("--live", action="store_true", help="show the lines at the prompt too, as they are written")
    declare_conditions(parser)


@command(
    "logpoint",
    Group.POINTS,
    declare,
    aliases=("dprintf", "lp", "tracepoint"),
    examples=('logpoint rip "rax={rax:x} at {tick}"', 'logpoint rip "{rdi}" if rax > 5'),
    condition=True,
)
def logpoint(session: Session, arguments: Arguments) -> Document:
    """Write a line whenever the guest comes to a place, without stopping it. `log` shows the lines."""
    place = session.code_place(arguments.place, physical=arguments.physical)
    template = compile_template(arguments.template, session.scope)
    condition, words = make_condition(session, arguments)
    arguments.unknown = (*getattr(arguments, "unknown", ()), *template.unknown)
    arguments.valued = (*getattr(arguments, "valued", ()), *template.valued)
    shown = f'"{arguments.template}"{f" {words}" if words else ""}'
    point = session.debugger.points.add_breakpoint(
        place.address, space=place.space, owner=session.owner, condition=condition, text=shown, action=lambda _: None
    )
    log = session.part(Log)
    log.live |= {point.number} if arguments.live else set()
    point.action = _writer(log, point.number, template)
    return added(session, point, arguments)


def _writer(log: Log, number: int, template: Template) -> Callable[[Guest], None]:
    def write(debugger: Guest) -> None:
        log.write(debugger.position, number, template.render())

    return write


def declare_log(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=how_many, default=50, metavar="NUMBER", help="of the last lines (50)")
    parser.add_argument("--clear", action="store_true", help="forget them")


@command("log", Group.POINTS, declare_log, aliases=("info log",), examples=("log", "log 10", "log --clear"))
def log(session: Session, arguments: Arguments) -> Document:
    """Show what logpoints wrote up to the present instant, and when."""
    written = session.part(Log)
    if arguments.number < 1:
        raise UserError("log how many lines? a number from 1 on")
    if arguments.clear:
        written.clear()
    rows = [
        (text(str(position), Style.DIM), count(number), text(words))
        for position, number, words in written.up_to(session.debugger.position, arguments.number)
    ]
    if not rows:
        return document(text("the log is empty; logpoints write into it", Style.DIM), value=[])
    return document(table((">position", ">point", "text"), rows))
