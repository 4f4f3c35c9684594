"""irq and deliveries."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_controllers_lines_and_next_events(session: Session) -> None:
    shown = session.execute("irq")
    assert shown.startswith("INTR low, IF 1, NMI none")
    assert "master IMR" in shown
    assert "pit" in shown.partition("next events")[2]


def test_last_deliveries_with_their_error_codes(session: Session) -> None:
    rows = json.loads(session.execute("deliveries 50 --json"))
    assert rows[-1]["tick"] <= session.debugger.machine.clock
    faults = json.loads(session.execute("deliveries --vector #PF --json"))
    assert faults
    assert all(row["error_code"].startswith("user write: not present at 0x7ff") for row in faults)


def test_deliveries_are_those_before_the_present_instant(session: Session) -> None:
    """However one came there: after running on and back, by steps and by searches."""

    def listed() -> list[object]:
        return list(json.loads(session.execute("deliveries 50 --json")))

    session.run("catch interrupt")
    session.run("reverse-continue 1")
    session.run("reverse-continue")
    session.run("catch all --off")
    here, expected = session.debugger.position, listed()
    assert expected
    session.run("goto end")
    there, later = session.debugger.position, listed()
    assert later != expected
    for _ in range(2):
        session.run(f"goto {here}")
        assert listed() == expected
        session.run("catch interrupt")
        session.run("continue")
        session.run("reverse-continue")
        session.run("catch all --off")
        session.run(f"goto {there}")
        assert listed() == later
