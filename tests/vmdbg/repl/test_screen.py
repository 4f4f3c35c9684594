"""Documents on a terminal: cut to its width, coloured as the theme says, plain where there are no colours."""

from __future__ import annotations

import os
import re
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vmdbg.commands.code.context import show
from vmdbg.document.document import Document, Span, Style, Text, document
from vmdbg.repl.highlight import coloured
from vmdbg.repl.pager import rows_of
from vmdbg.repl.progress import ProgressLine
from vmdbg.repl.screen import Painter
from vmdbg.repl.themes import DARK, LIGHT, MONO, THEMES, Theme
from vmdbg.session.session import Session

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
SPANS = st.lists(st.builds(Span, st.text("ab 0", max_size=9), st.sampled_from(Style)), max_size=8)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize("width", [20, 80, 140])
def test_the_panel_fits_the_width(session: Session, theme: Theme, width: int) -> None:
    session.columns = width
    for line in Painter(theme).document(show(session, ["registers", "code", "stack", "backtrace"]), width, crop=True):
        assert len(ESCAPE.sub("", line)) <= width


@given(spans=SPANS, width=st.integers(1, 60))
def test_what_is_cut_says_so(spans: list[Span], width: int) -> None:
    whole = "".join(span.text for span in spans)
    (line,) = Painter(DARK, colours=False).document(document(Text(tuple(spans))), width, crop=True)
    assert line == (whole if len(whole) <= width else f"{whole[: width - 1]}…").rstrip()


@given(text=st.text("a\N{CJK UNIFIED IDEOGRAPH-4E2D}", max_size=40), width=st.integers(1, 30))
def test_wide_letters_are_cut_by_the_room_that_they_take(text: str, width: int) -> None:
    (line,) = Painter(DARK, colours=False).document(document(text), width, crop=True)
    assert cell_len(line) <= width


@given(lines=st.lists(st.text("ab", max_size=70), min_size=1, max_size=9), columns=st.integers(1, 30))
def test_rows_are_counted_as_the_terminal_wraps(lines: list[str], columns: int) -> None:
    for line in lines:
        wrapped = [line[at : at + columns] for at in range(0, len(line), columns)] or [""]
        assert rows_of(f"\x1b[1;31m{line}\x1b[0m", columns) == len(wrapped)


def test_progress_keeps_to_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (5, 20))
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(slave, "w") as terminal:
        line = ProgressLine(terminal)
        monkeypatch.setattr("vmdbg.repl.progress.PATIENCE", 0.0)
        monkeypatch.setattr("vmdbg.repl.progress.INTERVAL", 0.0)
        line.begin()
        line.share(0.5)
        shown = os.read(master, 1000).decode().removeprefix("\r\x1b[K")
        assert shown == f"[{'█' * 15}{'░' * 15}]"[:19]
    os.close(master)


@pytest.mark.parametrize("theme", [DARK, LIGHT, MONO], ids=lambda theme: theme.name)
def test_colours_change_no_text(session: Session, theme: Theme) -> None:
    for line in ("u rip 8", "list", "registers", "telescope", "help break"):
        found: Document = session.run(line)
        plain = Painter(theme, colours=False).document(found, 100)
        painted = Painter(theme).document(found, 100)
        assert [ESCAPE.sub("", one).rstrip() for one in painted] == plain
        assert not any("\x1b" in one for one in plain)
        assert theme is not MONO or not re.search(r"\x1b\[[0-9;]*[34][0-9]", "".join(painted))


def test_operands_are_read_as_operands() -> None:
    assert [piece for piece, _ in coloured("0x1000e8", "asm", "monokai")] == ["0x1000e8"]
    registers = {
        look for piece, look in coloured("eax, dword ptr [rbx + 8]", "asm", "monokai") if piece in ("eax", "rbx")
    }
    assert len(registers) == 1
