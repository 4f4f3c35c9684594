"""step-mode."""

from __future__ import annotations

from vmdbg.debugger.actions import StepMode
from vmdbg.session.session import Session


def test_choosing_changes_the_debugger(session: Session) -> None:
    assert session.execute("step-mode architectural").startswith("architectural: ")
    assert session.debugger.step_mode is StepMode.ARCHITECTURAL
    session.run("step-mode same-context")
    assert session.execute("step-mode").startswith("same-context: ")


def test_other_words_are_refused_with_the_choices(session: Session) -> None:
    assert "usage: step-mode" in session.execute("step-mode sideways")
