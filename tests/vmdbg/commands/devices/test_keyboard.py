"""`type` and `send-keys` press keys of the PC's keyboard."""

from __future__ import annotations

import pytest

from vmdbg.session.session import Session


def keyboard(session: Session) -> str:
    session.run("stepi")
    return " ".join(session.execute("devices i8042").split())


def test_a_text_is_typed_a_key_after_the_other(live: Session) -> None:
    assert live.execute('type "ab"') == "2 keys to type at the keyboard\n"
    shown = keyboard(live)
    assert "output buffer 1e full" in shown  # a goes down
    assert "keys waiting 3 events" in shown


def test_keys_are_pressed_together(live: Session) -> None:
    assert live.execute("send-keys ctrl-alt-f2") == "ctrl-alt-f2 to press at the keyboard\n"
    shown = keyboard(live)
    assert "output buffer 1d full" in shown  # Ctrl goes down
    assert "keys waiting 5 events" in shown


def test_names_of_keys_are_listed(live: Session) -> None:
    assert {"a", "f12", "caps_lock", "meta_l"} <= set(live.execute("send-keys --list").split())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("send-keys", "which keys?"),
        ("send-keys ctrl-nokey", "no key 'nokey'"),
        ("send-keys a --hold 9999", "held for 0 to 3600 seconds"),
        ('type --pace -1 "a"', "milliseconds, not -1"),
        ('type "\\xe4"', "no key of a US keyboard types"),
    ],
)
def test_what_no_keyboard_does_is_refused(line: str, why: str, live: Session) -> None:
    assert why in live.execute(line)
    assert "keys waiting none" in keyboard(live)
