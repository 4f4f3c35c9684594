"""logpoint and log."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_lines_are_written_without_stopping(session: Session) -> None:
    session.run('logpoint mutex_lock "lock {rdi:#x} at {tick}"')
    assert "the recording ends here" in session.execute("continue")
    rows = json.loads(session.execute("log --json"))
    assert len(rows) > 1
    assert all(row["text"].startswith("lock 0xffffffff8") for row in rows)


def test_a_condition_and_what_has_no_value(session: Session) -> None:
    session.run('logpoint mutex_lock "{u8(0)}"')
    session.run('logpoint mutex_lock "never" if rdi == 5')
    session.run("continue")
    shown = session.execute("log")
    assert "?(cannot access linear 0x0" in shown
    assert "never" not in shown
    session.run("log --clear")
    assert len(json.loads(session.execute("log --json"))) == 0


def test_a_wrong_template_is_refused_at_once(session: Session) -> None:
    assert "is no expression" in session.execute('logpoint rip "{1 +}"')
    assert "is no format" in session.execute('logpoint rip "{rax:99999999d}"')
