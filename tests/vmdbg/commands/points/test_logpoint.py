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


def _log(session: Session) -> list[dict[str, object]]:
    return list(json.loads(session.execute("log 10000 --json")))


def test_the_log_follows_the_position(session: Session) -> None:
    """Forwards, backwards, by searches and by steps: always the lines of what lies behind, each once."""
    session.run('logpoint mutex_lock "{tick}"')
    session.run("goto end")
    assert _log(session) == [], "what is only sought is not logged"
    session.run("goto start")
    session.run("continue")
    lines = _log(session)
    assert len(lines) > 5
    session.run("break mutex_lock")
    for left in range(len(lines), 0, -1):
        session.run("reverse-continue")
        assert _log(session) == lines[:left]
    session.run("delete all")
    session.run("goto end")
    assert _log(session) == lines


def test_a_step_onto_a_logpoint_is_logged(session: Session) -> None:
    session.run('logpoint linear_pc+1 "here"')
    session.run("stepi 3")
    assert [line["text"] for line in _log(session)] == ["here"]
    session.run("reverse-stepi 3")
    assert _log(session) == []


def test_a_fork_drops_the_lines_of_its_future(live: Session) -> None:
    live.run('logpoint mutex_lock "{tick}"')
    live.run("break mutex_lock")
    live.run("continue")
    live.run("continue 4")
    lines = _log(live)
    live.run("goto start")
    live.run("fork")
    live.run("continue")
    assert _log(live) == lines[:1]
