"""help."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_lists_commands_by_group(session: Session) -> None:
    shown = session.execute("help")
    assert "running\n" in shown
    assert "  pagewalk" in shown


def test_a_word_finds_commands_that_mention_it(session: Session) -> None:
    shown = session.execute("help page tables")
    assert "pagewalk" in shown
    assert "continue" not in shown


def test_options_are_explained(session: Session) -> None:
    shown = session.execute("help break")
    for word in ("--ring", "--process", "if EXPRESSION", "also: b, bp"):
        assert word in shown


def test_dashes_ask_for_help_too(session: Session) -> None:
    assert session.execute("break --help") == session.execute("help break")


def test_an_unknown_topic_is_answered_with_a_guess(session: Session) -> None:
    assert "did you mean pagewalk" in session.execute("help pagewalkk")
