"""The text of source files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.session.source_texts import SourceTexts


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a", "b", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.c").write_text(f"of {name}\nsecond\n")
    return tmp_path


def test_the_directory_added_last_is_looked_in_first_and_what_is_beside_a_file_last(tree: Path) -> None:
    texts = SourceTexts(may_read=True)
    assert texts.of("one.c", [tree / "beside"]) == ["of beside", "second"]
    texts.add_directory(tree / "a")
    assert texts.of("one.c", [tree / "beside"]) == ["of a", "second"]
    texts.add_directory(tree / "b")
    assert texts.of("one.c", []) == ["of b", "second"]
    assert texts.of(str(tree / "a" / "one.c"), []) == ["of a", "second"]
    assert texts.of("two.c", [tree]) is None


def test_what_was_built_in_a_folder_is_found_in_that_folder_beside(tree: Path) -> None:
    texts = SourceTexts(may_read=True)
    folder = tree / "beside" / "smp"
    folder.mkdir()
    (folder / "two.c").write_text("of smp\n")
    for name in ("smp/two.c", "samples/kernel/smp/two.c", "/build/kernel/smp/two.c"):
        assert texts.of(name, [tree / "beside"]) == ["of smp"], name
        assert texts.path(name, [tree / "beside"]) == folder / "two.c"
    assert texts.of("other/two.c", [tree / "beside"]) is None
    assert texts.of("/one.c", [tree / "beside"]) == ["of beside", "second"]


def test_who_may_not_reach_the_host_is_shown_nothing(tree: Path) -> None:
    assert SourceTexts(may_read=False).of(str(tree / "a" / "one.c"), [tree / "a"]) is None


def test_names_of_what_is_no_text_are_not_followed(tree: Path) -> None:
    texts = SourceTexts(may_read=True)
    for name in ("/dev/zero", "/", "a\0b", "../" * 3000):
        assert texts.of(name, [tree]) is None
    with pytest.raises(UserError, match="no directory"):
        texts.add_directory(tree / "a" / "one.c")
