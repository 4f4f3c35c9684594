"""The pictures of the README show what a terminal shows now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pictures import LINES, lasting, picture, screen
from tests.guests.build import REPOSITORY


@pytest.mark.parametrize("name", LINES)
def test_a_picture_is_what_the_terminal_shows(name: str, tmp_path: Path) -> None:
    drawn = lasting(picture(screen(LINES[name], tmp_path)))
    assert drawn == lasting((REPOSITORY / "docs" / name).read_text()), "draw it anew: python -m tests.docs.pictures"
    assert "backtrace" in drawn
    assert name in (REPOSITORY / "README.md").read_text()
