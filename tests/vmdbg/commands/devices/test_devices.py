"""devices."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_all_devices_are_listed_with_ports(session: Session) -> None:
    rows = {row["name"]: row for row in json.loads(session.execute("devices --json"))}
    assert rows["com1"]["where"] == "3f8-3ff"
    assert rows["lapic"]["where"] == "fee00000-fee00fff"
    assert rows.keys() == session.debugger.machine.pc.devices.keys()


def test_every_device_can_be_shown(session: Session) -> None:
    for name in session.debugger.machine.pc.devices:
        assert session.execute(f"devices {name}").startswith(f"{name}\n")


def test_registers_in_words(session: Session) -> None:
    found = json.loads(session.execute("devices pic pit --json"))
    assert found["pic"]["master vector base"] == "0x20"
    assert "rate generator" in found["pit"]["counter 0 mode"]


def test_unknown_device(session: Session) -> None:
    assert "did you mean pic" in session.execute("devices picc")


def test_every_device_has_a_title_in_the_users_words(session: Session) -> None:
    titles = [device.title for device in session.debugger.machine.pc.devices.values()]
    assert all(title and "`" not in title for title in titles)


def test_what_can_be_added_is_listed(session: Session) -> None:
    assert "debug console" in session.execute("devices --addable")
