"""What a typed line means, and what a session leaves behind."""

from __future__ import annotations

import pytest

from vmdbg.commands import catalog
from vmdbg.errors import UserError
from vmdbg.session.errors import UnknownCommandError
from vmdbg.session.registry import Effect
from vmdbg.session.session import MAX_LINE, Session
from vmdbg.session.visits import Visits


def test_a_line_is_a_command_a_device_or_a_value(session: Session) -> None:
    assert session.execute("info pic") == session.execute("devices pic")
    assert session.execute("rip + 1") == session.execute("print rip + 1")
    assert session.execute("rip --json") == session.execute("print --json rip")
    assert session.execute("   ") == session.execute("# words") == ""


def test_aliases_are_followed_but_not_for_ever(session: Session) -> None:
    session.aliases |= {"one": "print", "two": "one 5 +"}
    assert session.execute("two 2") == "7\n"
    session.aliases |= {"a": "b", "b": "a"}
    with pytest.raises(UserError, match="refer to one another"):
        session.run("a")


def test_checking_a_line_carries_nothing_out(session: Session) -> None:
    before = session.debugger.position
    session.check("stepi 5")
    session.check("rax == 5")
    with pytest.raises(UnknownCommandError):
        session.check("nonsense 5")
    assert session.debugger.position == before


def test_a_part_is_made_once(session: Session) -> None:
    assert session.part(Visits) is session.part(Visits)


def test_who_leaves_takes_only_what_is_its_own(session: Session) -> None:
    session.run("break deposit")
    listeners = len(session.debugger.stop_listeners)
    other = Session(session.debugger, catalog.commands(), owner="other")
    other.run("break mutex_lock")
    assert len(session.debugger.points.breakpoints) == 2
    other.close()
    assert [point.owner for point in session.debugger.points.breakpoints.values()] == [session.owner]
    assert len(session.debugger.stop_listeners) == listeners


def test_what_is_not_allowed_says_why(session: Session) -> None:
    guarded = Session(session.debugger, catalog.commands(), allowed=Effect.NONE, owner="guarded")
    try:
        assert "set cannot be used here: it changes the guest" in guarded.execute("set rax = 1")
        assert "it reaches files or programs of the host" in guarded.execute("source x")
    finally:
        guarded.close()


def test_a_defect_of_a_command_is_one_line_of_text(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "run_line", lambda *_: 1 // 0)
    assert session.execute("tick") == (
        "error: a defect of vmdbg: ZeroDivisionError: integer division or modulo by zero (in 'tick')\n"
    )


def test_a_line_has_a_length(session: Session) -> None:
    with pytest.raises(UserError, match="too long"):
        session.run("x" * (MAX_LINE + 1))
