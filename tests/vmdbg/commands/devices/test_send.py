"""send and press."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.session.keyboard import unescaped, unescaped_bytes
from vmdbg.session.session import Session


def test_what_is_typed_reaches_the_guests_shell() -> None:
    with sample_guest("") as guest:
        session = open_session(guest.debugger)
        session.run('goto "> "')
        session.run(r'send "help\n"')
        session.run('goto "help"')
        session.run('goto --next "> "')
        assert "tasks" in guest.output.partition("help")[2] or len(guest.output.partition("help")[2]) > 20


def test_escapes_that_are_none() -> None:
    with sample_guest() as guest:
        assert "an escape that is none" in open_session(guest.debugger).execute(r'send "\x"')


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""And what Python makes of bytes that are no UTF-8 (PEP 383)."""


@given(st.lists(TEXT | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))), st.binary())
def test_text_is_typed_as_a_terminal_sends_it_and_escapes_are_bytes(texts: list[str], data: bytes) -> None:
    text, escapes = "".join(texts), "".join(f"\\x{byte:02x}" for byte in data)
    typed = text.replace("\\", "\\\\")
    plain = text.encode("utf-8", "surrogateescape")
    assert unescaped_bytes(f"{typed}{escapes}{typed}") == plain + data + plain
    assert unescaped(f"{typed}{escapes}") == text + data.decode("latin-1")


def test_what_no_key_types_is_said_to_be_none(live: Session) -> None:
    assert "no key of a US keyboard types '\u20ac'" in live.execute('type "\u20ac"')
    assert "an escape that is no byte" in live.execute(r'send "\u20ac"')
    assert live.execute('send "\u20ac"') == "3 bytes typed at serial port 0\n"


def test_a_pressed_button_reaches_the_guest(live: Session) -> None:
    live.run("goto 5000000")
    assert live.execute("press nmi") == "nmi pressed\n"
    live.run("catch #NMI")
    assert "caught NMI at" in live.execute("continue")
    assert "invalid choice" in live.execute("press any")


def test_keys_go_to_the_keyboard(live: Session) -> None:
    assert "3 keys typed at the keyboard" in live.execute('send --keyboard "ls\\n"')
    live.run("stepi")
    assert "output buffer" in live.execute("devices i8042")
    assert "5 events" in live.execute("devices i8042")
    assert "no key of a US keyboard types" in live.execute('send -k "\\xe4"')
    assert "give one" in live.execute("send -k --port 1 x")
