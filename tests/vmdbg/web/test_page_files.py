"""The page's files: all that its documents and modules name is there, and a tree without them says how to get them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmdbg.web.errors import NoBrowserViewError
from vmdbg.web.page_files import BUILT, FOLDER, page_files

OWN = [path for path in FOLDER.glob("*.*") if path.suffix in (".js", ".html", ".css")]


def test_a_tree_that_has_not_built_the_page_says_how(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    with pytest.raises(NoBrowserViewError, match="make web"):
        page_files(tmp_path)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_what_a_file_names_is_there_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"""(?:from "\./|(?:src|href)=")([\w./-]+\.\w+)\"""", text)
    assert [name for name in named if not (FOLDER / name).is_file() and name not in BUILT] == []
    assert not re.search(
        r"\son\w+=|<style|style=|javascript:|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
    )
