"""Resuming, stopping, Ctrl-C, and what is kept for later."""

from __future__ import annotations

import pytest

from gdbstub.stops import (
    Access,
    BreakpointHit,
    Edge,
    Exited,
    HistoryEdge,
    NoneResumed,
    Signal,
    Signalled,
    Stepped,
    StopReason,
    Terminated,
    ThreadEnded,
    ThreadId,
    ThreadStarted,
    WatchpointHit,
)
from gdbstub.target import Continue, RangeStep, Step
from tests.gdbstub.machine import Machine
from tests.gdbstub.wire import Client

ONE, TWO = ThreadId(1), ThreadId(2)
REGISTERS = "00:" + "0010" + "00" * 6 + ";01:" + "01" * 8 + ";"
MULTI = "swbreak+;hwbreak+;multiprocess+"


@pytest.mark.parametrize(
    ("packet", "actions"),
    [
        ("c", {ONE: Continue(), TWO: Continue()}),
        ("C05", {ONE: Continue(5), TWO: Continue(5)}),
        ("s", {ONE: Step()}),
        ("S0b", {ONE: Step(11)}),
        ("vCont;c", {ONE: Continue(), TWO: Continue()}),
        ("vCont;C06", {ONE: Continue(6), TWO: Continue(6)}),
        ("vCont;s:1", {ONE: Step()}),
        ("vCont;S02:2;c", {ONE: Continue(), TWO: Step(2)}),
        ("vCont;s:p1.1;c:p1.-1", {ONE: Step(), TWO: Continue()}),
        ("vCont;c:p1;s:2", {ONE: Continue(), TWO: Continue()}),
        ("vCont;r1000,1010:1;c", {ONE: RangeStep(0x1000, 0x1010), TWO: Continue()}),
        ("vCont;t:2;c", {ONE: Continue()}),
    ],
)
def test_resume_reaches_the_target(packet: str, actions: object) -> None:
    client = Client()
    assert client.send(packet) == []
    assert client.machine.log[-1] == actions


@pytest.mark.parametrize("packet", ["c", "s", "vCont;c", "bs", "bc", "C05", "S05"])
def test_stop_reply_comes_with_the_stop(packet: str) -> None:
    client = Client()
    assert client.send(packet) == []
    assert client.session.waiting
    assert client.stop(Stepped()) == [f"T05thread:1;{REGISTERS}".encode()]
    assert not client.session.waiting


@pytest.mark.parametrize(("packet", "letter"), [("c1234", "c"), ("s1234", "s"), ("C05;1234", "C"), ("S05;1234", "S")])
def test_going_on_from_an_address_sets_the_pc(packet: str, letter: str) -> None:
    client = Client()
    assert client.send(packet) == [], letter
    assert client.machine.registers.read(ONE, 0) == (0x1234).to_bytes(8, "little")


@pytest.mark.parametrize(
    "packet", ["vCont;q", "vCont;", "vCont", "cz", "C", "S05;", "vCont;r1000", "vCont;c:x", "C100"]
)
def test_malformed_resumption_is_refused_and_nothing_runs(packet: str) -> None:
    client = Client()
    assert client.ask(packet) == b"E16"
    assert not client.session.waiting


@pytest.mark.parametrize("packet", ["Hc2", "Hcp1.2"])
def test_hc_says_which_thread_steps(packet: str) -> None:
    client = Client()
    client.send(packet, "s")
    assert client.machine.log[-1] == {TWO: Step()}


@pytest.mark.parametrize("hc", ["Hc0", "Hc-1", ""])
@pytest.mark.parametrize(("packet", "asked"), [("bs", "reverse-step"), ("bc", "reverse-continue")])
def test_backwards_any_thread_is_the_one_that_is_looked_at(packet: str, asked: str, hc: str) -> None:
    client = Client()
    client.send("Hg2", *([hc] if hc else []), packet)
    assert client.machine.log[-1] == (asked, TWO)


def test_after_a_stop_what_is_asked_is_of_the_thread_that_stopped() -> None:
    client = Client()
    client.send("Hg1", "c")
    client.stop(Stepped(TWO))
    assert client.ask("p0") == b"0020" + b"00" * 6
    assert client.ask("Hg1") == b"OK"
    assert client.ask("p0") == b"0010" + b"00" * 6
    client.send("?")
    assert client.ask("p0") == b"0020" + b"00" * 6


def test_threads_that_stop_together_have_no_non_stop_mode() -> None:
    machine = Machine()
    machine.together = True
    client = Client(machine=machine)
    assert b"QNonStop" not in client.ask("qSupported")
    assert client.ask("QNonStop:1") == b""
    assert client.ask("QNonStop:0") == b"OK"


@pytest.mark.parametrize(
    ("features", "reason", "reply"),
    [
        ("", Signalled(Signal.SIGSEGV, TWO), "T0bthread:2;"),
        ("", BreakpointHit(), "T05thread:1;"),
        ("swbreak+;hwbreak+", BreakpointHit(), "T05thread:1;swbreak:;"),
        ("swbreak+;hwbreak+", BreakpointHit(hardware=True), "T05thread:1;hwbreak:;"),
        ("", WatchpointHit(0x1234), "T05thread:1;watch:1234;"),
        ("", WatchpointHit(0x1234, Access.READ), "T05thread:1;rwatch:1234;"),
        ("", WatchpointHit(0x1234, Access.EITHER, TWO), "T05thread:2;awatch:1234;"),
        ("", HistoryEdge(Edge.BEGIN), "T05thread:1;replaylog:begin;"),
        ("", HistoryEdge(Edge.END), "T05thread:1;replaylog:end;"),
        ("multiprocess+", Stepped(TWO), "T05thread:p1.2;"),
    ],
)
def test_stop_reply(features: str, reason: StopReason, reply: str) -> None:
    client = Client(features)
    client.send("c")
    (got,) = client.stop(reason)
    assert got.decode().startswith(reply + "00:")
    (again,) = client.send("?")
    assert again == got


@pytest.mark.parametrize(
    ("features", "reason", "reply"),
    [
        ("", Exited(3), b"W03"),
        ("multiprocess+", Exited(3), b"W03;process:1"),
        ("", Terminated(Signal.SIGKILL), b"X09"),
        ("multiprocess+", Terminated(Signal.SIGKILL), b"X09;process:1"),
        ("no-resumed+", NoneResumed(), b"N"),
    ],
)
def test_end_of_the_target(features: str, reason: StopReason, reply: bytes) -> None:
    client = Client(features)
    client.send("c")
    assert client.stop(reason) == [reply]


def test_resuming_no_thread_at_all_is_answered() -> None:
    assert Client("no-resumed+").ask("vCont;t") == b"N"


@pytest.mark.parametrize(
    ("reason", "start"),
    [
        (Signalled(Signal.SIGABRT, text="the guest is dead"), b"T06"),
        (HistoryEdge(Edge.END, text="the guest is dead"), b"T05thread:1;replaylog:end;"),
    ],
)
def test_a_stop_with_a_text_shows_it_first(reason: StopReason, start: bytes) -> None:
    client = Client()
    client.send("c")
    shown, reply = client.stop(reason)
    assert shown == b"O" + b"the guest is dead\n".hex().encode()
    assert reply.startswith(start)


@pytest.mark.parametrize(
    ("request_", "start"),
    [
        ("vCont;s:1", b"T00thread:1;"),
        ("vCont;s:1;c", b"T05thread:1;replaylog:end;"),
        ("vCont;r1000,1008:1", b"T05thread:1;replaylog:end;"),
        ("vCont;c", b"T05thread:1;replaylog:end;"),
        ("bc", b"T05thread:1;replaylog:end;"),
    ],
)
def test_a_client_that_steps_one_thread_alone_hears_of_no_edge(request_: str, start: bytes) -> None:
    """gdb gets over a breakpoint so, and would believe for ever after an edge that it is still at that."""
    client = Client()
    client.send("vCont;s:1")
    client.stop(BreakpointHit())
    client.send(request_)
    assert client.stop(HistoryEdge(Edge.END))[-1].startswith(start)


def test_lldb_gets_the_reason_in_words() -> None:
    client = Client()
    client.send("QThreadSuffixSupported", "QListThreadsInStopReply", "c")
    (reply,) = client.stop(WatchpointHit(16))
    assert reply.startswith(b"T05thread:1;watch:10;reason:watchpoint;description:3136;threads:1,2;")


def test_a_stop_without_a_signal_is_one_to_lldb_which_shows_no_other() -> None:
    client, other = Client(), Client()
    client.send("qHostInfo", "c")
    other.send("c")
    (reply,) = client.stop(Signalled(Signal.NONE, text="moved"))
    assert reply.startswith(b"T05")
    assert b"description:" + b"moved".hex().encode() in reply
    assert other.stop(Signalled(Signal.NONE, text="moved"))[1].startswith(b"T00")


def test_step_that_is_done_at_once() -> None:
    client = Client()
    client.machine.instant = True
    assert client.ask("vCont;s:1") == f"T05thread:1;{REGISTERS}".encode()


def test_ctrl_c_stops_what_the_client_started() -> None:
    client = Client()
    client.send("c")
    (reply,) = client.feed([b"\x03"])
    assert reply.startswith(b"T02thread:1;")


def test_ctrl_c_behind_the_resumption_in_one_chunk() -> None:
    client = Client()
    (reply,) = client.feed([b"$c#63\x03"])
    assert reply.startswith(b"T02")


def test_ctrl_c_while_stopped_does_nothing() -> None:
    client = Client()
    assert client.feed([b"\x03\x03"]) == []
    assert "interrupt" not in client.machine.log


def test_requests_behind_a_resumption_wait_for_the_stop() -> None:
    client = Client()
    assert client.send("c", "p1", "qC") == []
    assert client.stop(Stepped())[1:] == [b"01" * 8, b"QC1"]


def test_two_resumptions_in_one_chunk_run_one_after_the_other() -> None:
    client = Client()
    assert client.send("s", "s") == []
    assert len(client.stop(Stepped())) == 1
    assert client.session.waiting
    assert len(client.stop(Stepped())) == 1
    assert not client.session.waiting


def test_flood_behind_a_resumption_ends_the_session() -> None:
    client = Client()
    client.send("c")
    client.session.receive(b"$m0,1#fa" * 100_000)
    while client.session.pending:
        client.session.receive(b"")
    assert client.session.ended


def test_a_stop_nobody_waits_for_is_not_told_but_remembered() -> None:
    client = Client()
    assert client.stop(Signalled(Signal.SIGSEGV)) == []
    assert client.ask("?").startswith(b"T0b")


def test_an_interruption_that_the_client_did_not_ask_for_is_no_signal_to_it() -> None:
    """Such as the one that its attaching made."""
    client = Client()
    client.stop(Signalled(Signal.SIGINT))
    assert client.ask("?").startswith(b"T00")
    client.send("c")
    client.session.receive(b"\x03")
    assert client.take()[0].startswith(b"T02")
    assert client.ask("?").startswith(b"T02")


def test_lldb_is_told_in_words_why_a_guest_stands_that_it_attached_to() -> None:
    client = Client()
    client.stop(Signalled(Signal.SIGINT))
    client.send("qHostInfo")
    assert b"reason:exception;description:" + b"stopped to be attached to".hex().encode() in client.ask("?")


def test_an_interruption_by_somebody_else_is_a_signal_while_the_client_waits() -> None:
    client = Client()
    client.send("c")
    assert client.stop(Signalled(Signal.SIGINT))[0].startswith(b"T02")


def test_a_stop_from_elsewhere_ends_the_wait() -> None:
    client = Client()
    client.send("c")
    assert len(client.stop(Signalled(Signal.NONE))) == 1


def test_why_stopped_stops_a_machine_that_runs() -> None:
    client = Client()
    client.machine.why = None
    assert client.ask("?").startswith(b"T00")


def test_kill_and_detach_do_not_wait() -> None:
    client = Client()
    client.send("c")
    assert client.ask("D") == b"OK"
    assert client.machine.log[-1] == "detached"
    client = Client()
    client.send("c")
    assert client.send("k") == []
    assert client.machine.log[-1] == "killed"
    assert client.session.ended


def test_kill_keeps_an_extended_session() -> None:
    client = Client()
    client.send("!", "k")
    assert not client.session.ended
    assert client.send("R00") == []
    assert client.machine.log[-2:] == ["attached", "restart"]


def test_thread_events_are_told_when_asked_for() -> None:
    client = Client()
    client.send("c")
    assert client.stop(ThreadStarted(TWO)) == []
    assert client.session.waiting
    client = Client()
    client.send("QThreadEvents:1", "c")
    assert client.session.thread_events
    (reply,) = client.stop(ThreadStarted(TWO))
    assert reply.startswith(b"T05thread:2;create:;")
    client.send("c")
    assert client.stop(ThreadEnded(TWO, 1)) == [b"w1;2"]


def test_failed_resumption_is_an_error_and_does_not_wait() -> None:
    client = Client()
    client.machine.actions = frozenset()
    assert client.ask("vCont;c") == b"E.the target cannot continue"
    assert not client.session.waiting
    assert client.ask("vCont?") == b"vCont;"


def test_console_text_while_running() -> None:
    client = Client()
    client.session.console("lost")
    assert client.take() == []
    client.send("c")
    client.session.console("seen")
    assert client.take() == [b"O" + b"seen".hex().encode()]


def test_monitor_output_is_streamed() -> None:
    client = Client()
    assert client.send("qRcmd," + b"stream".hex()) == [
        b"O" + b"one\n".hex().encode(),
        b"two\n".hex().encode(),
    ]
    replies = client.send("qRcmd," + b"long".hex())
    assert b"".join(reply[1:] for reply in replies[:-1]) == (b"x" * 20000).hex().encode()
    assert replies[-1] == b"OK"


class TestNonStop:
    def client(self) -> Client:
        client = Client(MULTI)
        assert client.ask("QNonStop:1") == b"OK"
        return client

    def test_resume_is_answered_and_the_stop_is_notified(self) -> None:
        client = self.client()
        assert client.ask("vCont;c") == b"OK"
        assert client.stop(Stepped()) == [f"%Stop:T05thread:p1.1;{REGISTERS}".encode()]
        assert client.ask("vStopped") == b"OK"

    def test_stops_queue_behind_the_first_notification(self) -> None:
        client = self.client()
        client.send("vCont;c")
        assert len(client.stop(Stepped(ONE))) == 1
        assert client.stop(BreakpointHit(TWO)) == []
        assert client.ask("vStopped").startswith(b"T05thread:p1.2;swbreak:;")
        assert client.ask("vStopped") == b"OK"
        assert client.ask("vStopped") == b"OK"

    def test_notification_comes_after_the_reply(self) -> None:
        client = self.client()
        client.machine.instant = True
        reply, notification = client.send("vCont;s:p1.1")
        assert reply == b"OK"
        assert notification.startswith(b"%Stop:T05")

    def test_why_stopped_lists_all_threads(self) -> None:
        client = self.client()
        assert client.ask("?").startswith(b"T00thread:p1.1;")
        assert client.ask("vStopped").startswith(b"T00thread:p1.2;")
        assert client.ask("vStopped") == b"OK"

    def test_why_stopped_of_a_running_target(self) -> None:
        client = self.client()
        client.send("vCont;c")
        assert client.ask("?") == b"OK"

    def test_requests_are_answered_while_it_runs(self) -> None:
        client = self.client()
        client.send("vCont;c")
        assert client.ask("qC") == b"QCp1.1"

    def test_stop_action_and_ctrl_c_packet(self) -> None:
        client = self.client()
        client.send("vCont;c")
        assert client.ask("vCont;t:p1.1") == b"OK"
        reply, notification = client.send("vCtrlC")
        assert reply == b"OK"
        assert notification.startswith(b"%Stop:T02")

    def test_a_thread_the_client_thinks_stopped_is_not_notified(self) -> None:
        client = self.client()
        client.send("vCont;c:p1.1")
        assert client.stop(Stepped(TWO)) == []

    def test_exit_is_notified(self) -> None:
        client = self.client()
        client.send("vCont;c")
        assert client.stop(Exited(0)) == [b"%Stop:W00;process:1"]

    def test_reverse(self) -> None:
        client = self.client()
        assert client.ask("bc") == b"OK"
        (notification,) = client.stop(HistoryEdge(Edge.BEGIN))
        assert b"replaylog:begin" in notification
