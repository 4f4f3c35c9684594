"""gdb for x86 writes all registers back after a call by hand, also those that cannot be written."""

from __future__ import annotations

import pytest

from gdbstub.stops import FIRST_THREAD
from tests.gdbstub.wire import Client

REFUSED = b"E.gone cannot be written"
SAVED = ("p0", "p4", "p3")
BACK = ("P0=1111111111111111", "P4=beef")


def client() -> Client:
    made = Client()
    made.machine.registers.files[FIRST_THREAD][4] = bytes.fromhex("beef")
    return made


def test_a_register_that_cannot_be_written_may_be_written_back() -> None:
    it = client()
    it.send(*SAVED)
    it.machine.registers.files[FIRST_THREAD][4] = bytes.fromhex("cafe")
    assert it.send(*BACK) == [b"OK", b"OK"]
    assert it.ask("p4") == b"cafe"


@pytest.mark.parametrize(
    "packets",
    [
        ("P0=1111111111111111", "P4=dead"),
        ("P0=1111111111111111", "qC", "P4=beef"),
        ("P4=beef",),
        ("P4=beef", "P4=beef"),
    ],
    ids=["another value", "not in a row", "alone", "not in order"],
)
def test_what_a_user_writes_is_refused(packets: tuple[str, ...]) -> None:
    it = client()
    it.send(*SAVED)
    assert it.send(*packets)[-1] == REFUSED


def test_a_value_that_the_client_was_not_told_is_not_one_that_it_puts_back() -> None:
    assert client().send(*BACK)[-1] == REFUSED


def test_calls_inside_calls_are_put_back_too() -> None:
    it = client()
    it.send("p4")
    it.machine.registers.files[FIRST_THREAD][4] = bytes.fromhex("cafe")
    it.send("p4")
    assert it.send("P0=1111111111111111", "P4=cafe")[-1] == b"OK"
    assert it.send("P0=1111111111111111", "P4=beef")[-1] == b"OK"
