"""What a notebook shows: the example, run as Jupyter runs it, and text of a guest that would like to be HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

import vmdbg
from tests.guests.build import REPOSITORY
from vmdbg.document.document import Style, document, pairs, section, table, text
from vmdbg.document.html import render_html
from vmdbg.errors import UserError
from vmdbg.notebook.extension import _asked, load
from vmdbg.notebook.rows import rows_html, to_pandas

EXAMPLE = REPOSITORY / "samples" / "notebooks" / "first_steps.ipynb"
ALLOWED = {"div", "span", "table", "tr", "td", "th", "img"}


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name not in ("style", "alt", "src")], attrs

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text(alphabet="<>&\"'/ascriptimgonerror=`;\x1b[\n\0", max_size=60))
def test_guests_text_is_text_wherever_it_stands(words: str) -> None:
    shown = document(
        text(words, Style.STRING),
        table(("name", "value"), [(text(words), text(words))]),
        pairs([("name", text(words))]),
        section(words, words),
    )
    tags = Tags()
    tags.feed(render_html(shown))
    assert tags.seen <= ALLOWED
    assert tags.words.count(words.replace("\n", "\N{REPLACEMENT CHARACTER}")) >= 1 or not words.isprintable()


def test_the_example_runs_and_shows_tables_pictures_and_rows() -> None:
    notebook = nbformat.read(EXAMPLE, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": EXAMPLE.parent}}
    ).execute()
    outputs: list[Any] = [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    shown = [one.data for one in outputs if one.output_type in ("execute_result", "display_data")]
    pages = "".join(one.get("text/html", "") for one in shown)
    assert "read_all" in pages
    assert "<table>" in pages
    assert any("image/png" in one for one in shown), "the screen"
    assert not [one for one in outputs if one.output_type == "error"]
    assert not [one for one in outputs if one.output_type == "stream" and one.text.startswith("error")]


def test_lists_of_others_are_shown_as_ever() -> None:
    assert rows_html([1, 2]) is None
    assert rows_html([]) is None
    assert rows_html([SimpleNamespace(a=1)]) is None


def test_which_guest_is_meant_is_found_or_asked() -> None:
    made = {"user_ns": {}, "display_formatter": None}
    shell: Any = SimpleNamespace(**made)
    with pytest.raises(UserError, match="there is no guest"):
        _asked(shell, "bt")
    with vmdbg.launch(memory="16M") as one, vmdbg.launch(memory="16M") as other:
        shell.user_ns |= {"one": one}
        assert _asked(shell, "bt") == (one, "bt")
        shell.user_ns |= {"other": other}
        with pytest.raises(UserError, match="which guest"):
            _asked(shell, "bt")
        assert _asked(shell, "-g other bt 3") == (other, "bt 3")
        with pytest.raises(UserError, match="no guest is called"):
            _asked(shell, "-g third bt")


def test_loading_puts_it_all_in() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        load(shell)
        assert "vmdbg" in shell.magics_manager.magics["line"]
        assert "to_pandas" in shell.user_ns
    finally:
        InteractiveShell.clear_instance()


def test_rows_become_a_frame_of_pandas_to_compute_with() -> None:
    pandas = pytest.importorskip("pandas")
    with vmdbg.launch(memory="16M", append="autostop") as guest:
        guest.break_at("demo_run")
        guest.run()
        rows = guest.queries.exceptions([14])
        calls = guest.queries.calls(guest.address_of("printk"))
        frame = to_pandas(calls)
        assert isinstance(frame, pandas.DataFrame)
        assert list(frame["position"]) == [call.position.tick for call in calls]
        assert len(to_pandas(rows)) == len(rows)
        shown = rows_html(list(calls))
        assert shown is not None
        assert f"{calls[0].function:#x}" in shown
    with pytest.raises(UserError, match="no rows"):
        to_pandas([1])
