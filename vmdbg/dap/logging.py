"""Log points: what they write, once for each instant."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.hits import Hits
from vmdbg.expressions.template import compile_template
from vmdbg.session.session import Session


def log_writer(session: Session, template: str, log: Callable[[str], None]) -> Callable[[Guest], None]:
    """What a breakpoint does instead of stopping. Ways back pass instants again: those are not told of twice.

    Raises ExpressionError.
    """
    compiled, seen = compile_template(template, session.scope), Hits()

    def write(guest: Guest) -> None:
        if guest.position not in seen:
            seen.add(guest.position)
            log(f"{guest.position}  {compiled.render()}\n")

    return write
