"""Long lines in rows of a terminal: nothing is lost, no word is cut that has room."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vmdbg.document.document import Span, Style, document, pairs, table, text
from vmdbg.repl.screen import Painter
from vmdbg.repl.status import fitted
from vmdbg.repl.themes import DARK
from vmdbg.repl.wrapping import LEAST_WIDTH, wrapped
from vmdbg.session.session import Session

LETTERS = "ab  0\N{CJK UNIFIED IDEOGRAPH-4E2D}"
STYLES = [style for style in Style if style is not Style.VERBATIM]
SPANS = st.lists(st.builds(Span, st.text(LETTERS, max_size=30), st.sampled_from(STYLES)), max_size=12)


def characters(spans: list[Span]) -> list[tuple[str, Style]]:
    return [(letter, span.style) for span in spans for letter in span.text if not letter.isspace()]


@given(spans=SPANS, width=st.integers(LEAST_WIDTH, 60), hang=st.integers(0, 60))
def test_rows_have_every_word_whole_with_its_look_and_fit(spans: list[Span], width: int, hang: int) -> None:
    rows = wrapped(spans, width, hang)
    lines = ["".join(span.text for span in row) for row in rows]
    assert [one for row in rows for one in characters(row)] == characters(spans)
    assert [word for line in lines for word in line.split()] == "".join(span.text for span in spans).split()
    for line in lines:
        assert cell_len(line.rstrip()) <= width or len(line.split()) == 1, "a word alone may be wider"


@given(spans=SPANS, width=st.integers(LEAST_WIDTH, 60))
def test_a_row_ends_only_where_the_next_word_has_no_room(spans: list[Span], width: int) -> None:
    lines = ["".join(span.text for span in row).rstrip() for row in wrapped(spans, width)]
    gaps = "".join(span.text for span in spans)
    for line, following in pairwise(lines):
        at = gaps.index(line.strip()) + len(line.strip())
        gap = len(gaps[at:]) - len(gaps[at:].lstrip())
        assert cell_len(line) + gap + cell_len(following.split()[0]) > width
        gaps = gaps[at:]


def test_columns_go_on_below_themselves() -> None:
    words = "run to another source line, into calls whose code has lines"
    made = document(
        table(("name", "what"), [("step", words)], titles=False),
        pairs([("name", "a value that is longer than the terminal is wide")]),
        text("a text that is longer than the terminal"),
        text("a,line of,comma-separated,values that stays a,line", Style.VERBATIM),
    )
    assert Painter(DARK, colours=False).document(made, 30) == [
        "step  run to another source",
        "      line, into calls whose",
        "      code has lines",
        "name  a value that is longer",
        "      than the terminal is",
        "      wide",
        "a text that is longer than the",
        "    terminal",
        "a,line of,comma-separated,values that stays a,line",
    ]


def test_help_of_every_command_fits_eighty_columns(session: Session) -> None:
    painter = Painter(DARK, colours=False)
    for command in session.registry:
        for line in painter.document(session.run(f"help {command.name}"), 80):
            assert cell_len(line) <= 80, command.name
    for line in painter.document(session.run("help"), 80):
        assert cell_len(line) <= 80


@given(words=st.text(LETTERS, max_size=40), columns=st.integers(1, 50))
def test_a_bar_that_is_cut_says_so(words: str, columns: int) -> None:
    bar = fitted(words, columns)
    assert cell_len(bar) <= columns
    assert bar == words if cell_len(words) <= columns else bar.endswith("…")
