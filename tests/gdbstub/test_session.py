"""Acknowledgements, oversize packets, backpressure and the end of a session."""

from __future__ import annotations

import pytest

from gdbstub.breakpoints import BreakpointKind
from gdbstub.framing import PACKET_SIZE
from gdbstub.replies import ErrorStyle, Failure, encode
from gdbstub.session import Session
from gdbstub.target import Target
from tests.gdbstub.machine import Machine
from tests.gdbstub.wire import Client, framed, payloads


def minimal() -> Session:
    machine = Machine()
    return Session(Target(machine.registers, machine.memory, machine))


def ask(session: Session, packet: str) -> bytes:
    session.receive(framed(packet.encode()))
    (reply,) = payloads(session.take_output())
    return reply


def test_acknowledged_until_no_ack_mode_is_on() -> None:
    session = minimal()
    session.receive(framed(b"qC"))
    assert session.take_output() == b"+" + framed(b"QC1")
    session.receive(b"-")
    assert session.take_output() == framed(b"QC1")
    session.receive(b"+" + framed(b"QStartNoAckMode") + framed(b"qC"))
    assert session.take_output() == b"+" + framed(b"OK") + framed(b"QC1")
    session.receive(b"+-")
    assert session.take_output() == b""


def test_oversize_packet_is_an_error() -> None:
    client = Client("error-message+")
    assert client.feed([b"$m" + b"0" * PACKET_SIZE + b"#00"]) == [b"E.packet longer than 0x20000 bytes"]
    assert client.ask("qC") == b"QC1"


def test_packet_of_the_promised_size_is_taken() -> None:
    client = Client()
    data = b"a" * (PACKET_SIZE - len("X1000,1ffff:"))
    assert client.ask(b"X1000,%x:%b" % (len(data), data)) == b"E0e"


def test_error_text_cannot_break_the_frame() -> None:
    assert encode(Failure("a}$b#c*d\n"), ErrorStyle.TEXT) == b"E.a__b_c_d "


def test_a_target_with_nothing_more_than_needed_promises_nothing_more() -> None:
    session = minimal()
    assert ask(session, "qSupported:swbreak+") == (
        b"PacketSize=20000;QStartNoAckMode+;vContSupported+;QNonStop+;QThreadEvents+;no-resumed+;"
        b"error-message+;binary-upload+;qXfer:threads:read+"
    )
    unsupported = (
        "Z0,1000,1",
        "bs",
        "bc",
        "vRun;",
        "qOffsets",
        "qRcmd,00",
        "qqemu.PhyMemMode",
        "Qqemu.PhyMemMode:1",
        "qqemu.sstep",
        "qqemu.sstepbits",
        "qHostInfo",
        "qProcessInfo",
        "qMemoryRegionInfo:0",
        "qXfer:features:read:target.xml:0,10",
        "qXfer:memory-map:read::0,10",
    )
    assert {packet: ask(session, packet) for packet in unsupported} == dict.fromkeys(unsupported, b"")
    assert ask(session, "qqemu.Supported") == b""
    assert ask(session, "qfThreadInfo") == b"m1"
    assert ask(session, "qThreadExtraInfo,1") == b"target".hex().encode()
    session.receive(b"\x03" + framed(b"R00"))
    assert session.take_output().count(b"$") == 0


def test_requests_are_left_while_too_much_is_unsent() -> None:
    client = Client()
    client.session.receive(framed(b"m1000,2000") * 200)
    assert client.session.stalled
    replies = client.take()
    while client.session.stalled:
        client.session.receive(b"")
        replies += client.take()
    assert len(replies) == 200


def test_a_closed_connection_gives_everything_back() -> None:
    client = Client()
    client.send("Z0,1000,1", "Z2,1000,4", "c")
    client.session.closed()
    assert client.session.ended
    assert not client.session.waiting
    assert not client.machine.points
    assert client.machine.log[-1] == "vanished"
    client.session.closed()
    assert client.machine.log.count("vanished") == 1


def test_too_many_breakpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdbstub.session.breakpoints.MAX_BREAKPOINTS", 2)
    client = Client("error-message+")
    assert client.send("Z0,1000,1", "Z0,1001,1") == [b"OK", b"OK"]
    assert client.ask("Z0,0,1") == b"E.more than 2 breakpoints"
    assert client.ask("Z0,1000,1") == b"OK"


def test_a_breakpoint_that_cannot_be_removed_does_not_keep_the_others() -> None:
    client = Client()
    client.send("Z0,1000,1", "Z0,1001,1")
    del client.machine.points[(BreakpointKind.SOFTWARE, 0x1000, 1, False)]
    assert client.ask("D") == b"OK"
    assert not client.machine.points
