"""The pictures of the README show what a terminal shows now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pictures import LINES, lasting, picture, screen, size_of
from tests.guests.build import REPOSITORY


@pytest.mark.parametrize("name", LINES)
def test_a_picture_is_what_the_terminal_shows(name: str, tmp_path: Path) -> None:
    drawn = lasting(picture(screen(name, tmp_path), size_of(name)[0]))
    assert drawn == lasting((REPOSITORY / "docs" / name).read_text()), "draw it anew: python -m tests.docs.pictures"
    assert any("backtrace" in one for one in drawn)
    assert any(name in (REPOSITORY / guide).read_text() for guide in ("README.md", "docs/repl.md"))
