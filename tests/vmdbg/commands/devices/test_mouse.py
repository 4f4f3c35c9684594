"""`mouse` moves the PS/2 mouse, presses its buttons and turns its wheel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vmdbg
from tests.vmdbg.conftest import open_session
from vmdbg.session.session import Session


@pytest.fixture
def with_mouse() -> Iterator[Session]:
    with vmdbg.launch(mouse=True) as guest:
        yield open_session(guest.debugger)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("mouse press middle", "mouse buttons middle"),
        ("mouse click", "mouse buttons -"),
        ("mouse click right --times 2", "mouse buttons -"),
    ],
)
def test_buttons(line: str, seen: str, with_mouse: Session) -> None:
    with_mouse.run(line)
    with_mouse.run("stepi 8")
    assert seen in " ".join(with_mouse.execute("devices i8042").split())


@pytest.mark.parametrize("line", ["mouse move 20 -10", "mouse wheel -3"])
def test_motion_is_an_input_of_the_history(line: str, with_mouse: Session) -> None:
    assert with_mouse.execute(line) == line.replace("mouse", "mouse:", 1) + "\n"
    with_mouse.run("stepi")
    assert len(with_mouse.debugger.timeline.history.inputs) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("mouse move 1", "mouse move DX DY"),
        ("mouse move a b", "mouse move DX DY"),
        ("mouse click no", "no button 'no'"),
        ("mouse click --times 0", "--times is 1 to 100"),
    ],
)
def test_what_no_mouse_does_is_refused(line: str, why: str, with_mouse: Session) -> None:
    assert why in with_mouse.execute(line)
    assert not with_mouse.debugger.timeline.history.inputs


def test_a_machine_without_one_says_how_to_have_it(live: Session) -> None:
    assert "start it with --mouse" in live.execute("mouse click")
