"""input."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_what_devices_take_is_listed(session: Session) -> None:
    answer = session.execute("input")
    assert "acpi-pm" in answer
    assert "SerialInput port=... data=..." in answer


def test_an_input_reaches_its_device(live: Session) -> None:
    assert "not asserted" in live.execute("devices acpi-pm")
    assert live.execute("input acpi-pm PowerButton").startswith("acpi-pm was given PowerButton")
    live.run("stepi")
    assert "PWRBTN" in live.execute("devices acpi-pm")


def test_a_device_that_takes_nothing(session: Session) -> None:
    assert "'pic' takes no inputs; these do: i8042, acpi-pm" in session.execute("input pic")
    assert "acpi-pm takes PowerButton" in session.execute("input acpi-pm LidSwitch")
