"""The captures of docs/repl.md are what the prompt shows, whatever the addresses and ticks."""

from __future__ import annotations

import re

from tests.guests.build import REPOSITORY
from tests.tutorials.transcript import difference
from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.commands.code.context import show
from vmdbg.commands.code.context_state import ContextState
from vmdbg.document.plain import render_json
from vmdbg.errors import VmdbgError
from vmdbg.repl.screen import Painter
from vmdbg.repl.themes import DARK
from vmdbg.session.session import Session

PAGE = REPOSITORY / "docs" / "repl.md"
COLUMNS = 100
WHOLE = 1000
"""Columns for answers: where a long line goes on in another row depends on the addresses in it."""
PROMPT = "vmdbg> "
_NUMBERS = (
    (re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,16}\b"), "ADDRESS"),
    (re.compile(r"\b\d[\d,]{3,}(?:\+\d+)?|\b\d+\.\d+(?: s|%)"), "NUMBER"),
    (re.compile(r"  +|─+"), "  "),
)
_BLOCK = re.compile(r"^```vmdbg\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def loosened(line: str) -> str:
    """Without what another compiler or another timing of a device makes different, column widths included."""
    for pattern, words in _NUMBERS:
        line = pattern.sub(words, line)
    return line.strip()


def captures() -> list[tuple[str, list[str]]]:
    """Lines that were typed, and what is shown for each."""
    found: list[tuple[str, list[str]]] = []
    for block in _BLOCK.finditer(PAGE.read_text()):
        for line in block[1].splitlines():
            if line.startswith(PROMPT):
                found.append((line.removeprefix(PROMPT), []))
            else:
                found[-1][1].append(line)
    return found


def shown(session: Session, line: str) -> str:
    """As the prompt shows it on a terminal without colours."""
    painter, stops = Painter(DARK, colours=False), session.moments.stops
    try:
        document, as_json = session.run_line(line)
    except VmdbgError as error:
        return f"error: {error}"
    if as_json:
        return render_json(document)
    lines = painter.document(document, WHOLE)
    if session.moments.stops > stops:
        sections = session.part(ContextState).sections
        lines += painter.document(show(session, sections), COLUMNS, crop=True)
    return "\n".join(lines)


def test_the_captures_are_what_is_shown() -> None:
    with sample_guest("bug=stale panic=exit") as guest:
        session = open_session(guest.debugger)
        session.columns = COLUMNS
        for line, output in captures():
            said = "\n".join(map(loosened, shown(session, line).splitlines()))
            wrong = difference(list(map(loosened, output)), said)
            assert wrong is None, f"{line}\n{wrong}"
