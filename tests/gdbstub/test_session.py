"""Acknowledgements, oversize packets, backpressure and the end of a session."""

from __future__ import annotations

import pytest

from gdbstub.breakpoints import BreakpointKind
from gdbstub.framing import PACKET_SIZE
from gdbstub.replies import ErrorStyle, Failure, encode
from gdbstub.session import Session
from gdbstub.session import session as session_module
from gdbstub.stops import Exited, Stepped
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


def test_requests_are_left_while_too_much_is_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "TURN_SECONDS", 60.0)
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


OLD_GDB, NEW_GDB = "swbreak+", "swbreak+;error-message+"


def test_every_client_that_shows_words_is_refused_in_words() -> None:
    for features in (OLD_GDB, NEW_GDB):
        client = Client(features)
        assert client.ask("P4=0000") == b"E.gone cannot be written"
    assert Client("").ask("P4=0000") == b"E01"
    lldb = Client("")
    lldb.send("QEnableErrorStrings")
    assert lldb.ask("P4=0000") == b"E01;" + b"gone cannot be written".hex().encode()


@pytest.mark.parametrize(("features", "error"), [(OLD_GDB, b"E0e"), (NEW_GDB, b"E.")])
def test_what_a_client_hides_is_printed_at_the_next_occasion_once(features: str, error: bytes) -> None:
    client = Client(features)
    refused = b"O" + b"refused: cannot access memory at 0x9000: no memory there\n".hex().encode()
    assert all(reply.startswith(error) for reply in client.send("M9000,1:00", "X9000,1:a"))
    client.send("c")
    text, stop = client.stop(Stepped())
    assert text == refused
    assert stop.startswith(b"T05")
    assert client.send("M9000,1:00", "qRcmd,6869")[1] == refused
    assert refused not in client.send("qRcmd,6869")


def test_what_a_client_shows_is_not_printed_besides() -> None:
    client = Client(NEW_GDB)
    assert client.ask("P4=0000") == b"E.gone cannot be written"
    client.send("c")
    assert len(client.stop(Stepped())) == 1


def test_what_a_client_hides_is_logged_at_once() -> None:
    said: list[str] = []
    session = Session(Machine().target(), log=said.append)
    session.receive(framed(b"qSupported:error-message+") + framed(b"Z0,1000,1;X3,260500,1") * 2)
    session.receive(framed(b"M9000,1:00"))
    assert len(said) == 0
    session.receive(framed(b"Z0,1000,1;X4,26050027") * 2)
    assert said == ["gdb was refused: Z: agent expression refused: no register 1280"]


@pytest.mark.parametrize("end", ["vKill;1", "D;1"])
def test_no_thread_is_served_once_the_process_is_gone(end: str) -> None:
    client = Client("multiprocess+;error-message+")
    client.send("!", end)
    assert client.ask("qfThreadInfo") == b"l"
    assert client.ask("qXfer:threads:read::0,1000") == b'l<?xml version="1.0"?><threads></threads>'
    assert client.ask("jThreadsInfo") == b"[]"
    assert client.ask("Tp1.1") == b"E.no thread 0x1"
    assert client.ask("Hgp1.1") == b"E.no thread 0x1"
    assert client.ask("qC") == b""
    assert client.ask("qThreadExtraInfo,p1.1") == b"E.no thread 0x1"
    assert client.ask("vCont;c") == b"E.no process: detached or killed"


def test_no_thread_is_served_once_the_target_has_ended_until_it_is_attached_to_again() -> None:
    client = Client("multiprocess+;error-message+")
    client.send("!", "c")
    assert client.stop(Exited(3)) == [b"W03;process:1"]
    assert client.ask("qfThreadInfo") == b"l"
    assert client.ask("m1000,1") == b"E.no process: it has ended"
    assert client.ask("?") == b"W03;process:1"
    client.machine.why = Stepped()
    assert client.ask("vAttach;1").startswith(b"T05")
    assert client.ask("qfThreadInfo") == b"mp1.1,p1.2"
