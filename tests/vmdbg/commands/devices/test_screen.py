"""screen and screenshot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vmdbg.errors import UserError
from vmdbg.session.screen import frame_of
from vmdbg.session.session import Session


def test_text_on_the_screen(session: Session) -> None:
    lines = json.loads(session.execute("screen --json"))
    assert lines[0] == "vmdbg sample kernel"


def test_an_empty_screen(real_mode: Session) -> None:
    assert "the screen is empty" in real_mode.execute("screen")
    assert "1 to 256" in real_mode.execute("screen --rows 0")


def test_the_picture_of_the_screen(session: Session, tmp_path: Path) -> None:
    answer = session.run(f"screenshot {tmp_path / 'text'}").data
    assert answer == {"file": str(tmp_path / "text.png"), "width": 720, "height": 400}
    with Image.open(tmp_path / "text.png") as image:
        assert image.tobytes() == frame_of(session.debugger.machine).rgb


def test_no_file_is_overwritten_and_none_has_another_format(session: Session, tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_text("mine")
    with pytest.raises(UserError, match="not overwritten"):
        session.run(f"screenshot {tmp_path / 'mine.png'}")
    with pytest.raises(UserError, match="PNG"):
        session.run(f"screenshot {tmp_path / 'mine.jpg'}")
    with pytest.raises(UserError, match="cannot write"):
        session.run(f"screenshot {tmp_path / 'no' / 'such.png'}")
    assert (tmp_path / "mine.png").read_text() == "mine"
