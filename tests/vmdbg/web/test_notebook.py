"""Notes are kept whole, whoever writes, and what is no notebook is left alone."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.web.notebook import Notebook


def test_notes_are_in_order_of_time_and_there_again(tmp_path: Path) -> None:
    path = tmp_path / "boot.rec.notes.json"
    first = Notebook(path)
    first.add("900", "the bug", "", "0x10 <panic>")
    early = first.add("20+1", "begin", "before it", "")
    assert [note.title for note in Notebook(path).notes()] == ["begin", "the bug"]
    first.change(early.id, "begins", "more")
    first.delete(early.id)
    first.delete(early.id - 1)
    again = first.add("5", "another", "", "")
    assert again.id == 3, "numbers are given once"
    assert [note.title for note in Notebook(path).notes()] == ["another"]


def test_numbers_of_deleted_notes_are_refused(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "notes.json")
    made = book.add("1", "one", "", "")
    book.delete(made.id)
    with pytest.raises(UserError, match="somebody has deleted it"):
        book.change(made.id, "x", "y")


def add_some(path: Path, name: str) -> None:
    book = Notebook(path)
    for number in range(25):
        book.add(str(number), f"{name} {number}", "", "")


def test_two_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_some, args=(path, name)) for name in ("one", "other")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    notes = Notebook(path).notes()
    assert len(notes) == 50
    assert len({note.id for note in notes}) == 50
    assert [one.name for one in tmp_path.iterdir()] == ["notes.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"vmdbg": "notes 9", "next": 1, "notes": []}', '{"vmdbg": "notes 1"}', "\0" * 99]
)
def test_what_is_no_notebook_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    with pytest.raises(UserError, match="is left as it is"):
        Notebook(path).add("1", "x", "", "")
    assert path.read_text() == content


def test_without_a_file_notes_last_as_long_as_the_process() -> None:
    book = Notebook(None)
    book.add("7", "x", "", "")
    assert len(book.notes()) == 1


def test_the_notebook_is_markdown(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "notes.json")
    book.add("12", "Two\n# lines", "It *begins*.\n", "0x1 <f`g>")
    assert book.markdown("Notes on boot") == (
        "# Notes on boot\n\n## Two # lines\n\nAt tick `12`, `0x1 <f'g>`.\n\nIt *begins*.\n"
    )
    assert json.loads((tmp_path / "notes.json").read_text())["vmdbg"] == "notes 1"
