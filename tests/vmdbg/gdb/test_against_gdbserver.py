"""The packets of tests/gdbstub/test_against_gdbserver.py to gdbserver and to a machine: where the answers differ."""

from __future__ import annotations

import socket

from gdbstub.session import Session
from tests.gdbstub.test_against_gdbserver import DIFFERENCES, FEATURES, PACKETS, ask, gdbserver, kind
from tests.gdbstub.wire import framed
from tests.vmdbg.gdb.guests import alone, sample_guest
from vmdbg.gdb.architecture import ClientView
from vmdbg.gdb.lifecycle import GuestLifecycle
from vmdbg.gdb.monitor import GuestMonitor
from vmdbg.gdb.target import guest_target

__all__ = ["gdbserver"]

OWNER = "the test's gdb"
OURS = {packet: why for packet, why in DIFFERENCES.items() if packet != "qOffsets"} | {
    "m0,4": "nothing is mapped at a process's address 0; a PC has RAM there",
    "M0,1:aa": "the same",
    "x0,4": "the same",
    "qCRC:0,4": "the same",
    "qSearch:memory:0;10;a": "the same",
}


def test_answers_of_the_same_kind(gdbserver: socket.socket) -> None:
    ask(gdbserver, "qSupported:" + FEATURES)
    different = {}
    with sample_guest() as guest:
        standing = alone(guest.debugger)
        monitor = GuestMonitor(guest.debugger, standing)
        lifecycle = GuestLifecycle(guest.debugger, standing)
        made = guest_target(
            guest.debugger,
            ClientView(),
            monitor,
            lifecycle,
            write=print,
            tell=print,
            extended=bool,
            standing=standing,
            owner=OWNER,
        )
        session = Session(made.target)

        def our_answer(packet: str) -> bytes:
            session.receive(framed(packet.encode()))
            return session.take_output().removeprefix(b"+")[1:].partition(b"#")[0]

        our_answer("qSupported:" + FEATURES)
        for packet in PACKETS:
            theirs, mine = kind(ask(gdbserver, packet)), kind(our_answer(packet))
            if theirs != mine:
                different[packet] = (theirs, mine)
    assert different.keys() == OURS.keys(), different
