"""screen."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_text_on_the_screen(session: Session) -> None:
    lines = json.loads(session.execute("screen --json"))
    assert lines[0] == "vmdbg sample kernel"


def test_an_empty_screen(real_mode: Session) -> None:
    assert "the screen is empty" in real_mode.execute("screen")
    assert "1 to 256" in real_mode.execute("screen --rows 0")
