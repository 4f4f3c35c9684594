"""skip."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser, did_you_mean
from vmdbg.session.session import Session

PATTERN_LETTERS = "*?["
MOST_LIKE = 1000


def declare(parser: Parser) -> None:
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="SYMBOL", help="a function, or a pattern with * and ?"
    )
    parser.add_argument("--off", action="store_true", help="skip it no longer; without a name, nothing at all")


@command(
    "skip", Group.RUN, declare, aliases=("skip function", "info skip"), examples=("skip", "skip mutex_*", "skip --off")
)
def skip(session: Session, arguments: Arguments) -> Document:
    """Let `step` run over functions by name instead of stopping in them. Without arguments: which."""
    skips = session.skips
    pattern = arguments.pattern
    if arguments.off and not pattern:
        skips.patterns.clear()
    elif arguments.off:
        if pattern not in skips.patterns:
            raise UserError(f"{pattern!r} is not skipped; there are: {', '.join(skips.patterns) or 'none'}")
        skips.patterns.remove(pattern)
    elif pattern and pattern not in skips.patterns:
        if not set(pattern) & set(PATTERN_LETTERS) and session.symbols.find(pattern) is None:
            close = did_you_mean(pattern, session.symbols.matching(pattern[:2], MOST_LIKE))
            raise UserError(f"no function is known by the name {pattern!r}{close}; `*{pattern}` waits for one")
        skips.patterns.append(pattern)
    listed = ", ".join(skips.patterns)
    return document(f"step runs over: {listed}" if listed else "step runs over nothing", value=list(skips.patterns))
