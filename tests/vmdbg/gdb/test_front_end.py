"""A client and the loop of `vmdbg run`: stops that follow one another, and Ctrl-C in the midst of a run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.gdbstub.wire import framed
from tests.vmdbg.debugger.programs import program
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Interrupted
from vmdbg.gdb.front_end import GdbFrontEnd
from vmdbg.gdb.leaving import Leaving
from vmdbg.gdb.server import GdbServer
from vmdbg.host.arbiter import Arbiter
from vmdbg.machine import outcome
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

SLICE = 100_000
COUNTING = """
    xor ebx, ebx
again:
    inc rbx
    mov ecx, 2000
spin:
    dec ecx
    jnz spin
hot:
    jmp again
"""
ENDING = """
hot:
    finish 0
"""


FOR_EVER = Tick(1 << 60)


class Client(threading.Thread):
    """Sends each packet when the one before it was answered, and Ctrl-C when told to."""

    def __init__(self, address: tuple[str, int], packets: list[bytes]) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_connection(address, timeout=60)
        self.packets = [framed(b"QStartNoAckMode"), *packets]
        self.replies: list[bytes] = []
        self.interrupting = threading.Event()

    def run(self) -> None:
        for packet in self.packets:
            self.socket.sendall(packet)
            if packet == RUN_ON:
                self.interrupting.wait(60)
                self.socket.sendall(b"\x03")
            reply = b""
            while b"#" not in reply[:-2]:
                reply += self.socket.recv(1 << 16)
            self.replies.append(reply)


def arbiter_of(debugger: Debugger, server: GdbServer) -> Arbiter:
    arbiter = Arbiter(debugger)
    arbiter.join(GdbFrontEnd(debugger, server))
    return arbiter


RUN_ON = framed(b"vCont;c")


@contextmanager
def served(
    make_packets: Callable[[int], list[bytes]], source: str = COUNTING
) -> Iterator[tuple[Arbiter, Debugger, Client]]:
    """A guest that stands at its first instruction, with a client attached that was given the address of `hot`."""
    with program(source, "hot") as (debugger, at, _):
        server = GdbServer(debugger)
        runner = arbiter_of(debugger, server)
        client = Client(server.listen_tcp("127.0.0.1", 0), make_packets(at["hot"]))
        try:
            while server.client is None:
                runner.poll()
            client.start()
            yield runner, debugger, client
        finally:
            runner.close()
            client.socket.close()
            client.join(60)


def test_stops_that_follow_one_another_are_all_answered() -> None:
    def packets(hot: int) -> list[bytes]:
        cycle = [b"z0,%x,1" % hot, b"vCont;s", b"Z0,%x,1" % hot, b"c"]
        return [framed(packet) for packet in (b"Z0,%x,1" % hot, b"c", *cycle * 60)]

    with served(packets) as (runner, debugger, client):
        while client.is_alive():
            if runner.poll():
                runner.advance(Tick(debugger.machine.clock + SLICE))
        assert sum(b"$T05" in reply for reply in client.replies) == 121
        assert debugger.engine.read_register("rbx") == 61


def test_control_c_ends_a_slice_that_would_not_end() -> None:
    with served(lambda _: [RUN_ON]) as (runner, debugger, client):
        while client.is_alive():
            if not runner.poll():
                continue
            for _ in range(3):
                runner.advance(Tick(debugger.machine.clock + SLICE))
            client.interrupting.set()
            runner.advance(FOR_EVER)
        assert client.replies[1].startswith(b"$T02")


def test_client_that_comes_ends_a_slice_that_would_not_end() -> None:
    with program(COUNTING) as (debugger, _, _guest):
        server = GdbServer(debugger)
        runner = arbiter_of(debugger, server)
        runner.go()
        address = server.listen_tcp("127.0.0.1", 0)
        came: list[socket.socket] = []
        client = threading.Thread(target=lambda: came.append(socket.create_connection(address, timeout=60)))
        for _ in range(3):
            assert runner.poll()
            runner.advance(Tick(debugger.machine.clock + SLICE))
        client.start()
        runner.advance(FOR_EVER)
        assert not runner.poll()
        assert server.client is not None
        client.join(60)
        runner.close()
        came[0].close()


@pytest.mark.parametrize("extended", [True, False])
def test_guest_that_ended_stands_for_its_client_and_ends_when_that_leaves(extended: bool) -> None:
    packets = [framed(packet) for packet in ((b"!", b"c", b"vRun;", b"c") if extended else (b"c", b"bs"))]
    with served(lambda _: packets, ENDING) as (runner, debugger, client):
        while client.is_alive():
            if runner.poll():
                assert runner.advance(Tick(debugger.machine.clock + SLICE)) is None
        ends = [reply for reply in client.replies if (b"$W00" if extended else b"replaylog:end") in reply]
        assert len(ends) == (2 if extended else 1)
        assert not runner.finished
        client.socket.close()
        while not runner.poll():
            pass
        assert not runner.finished
        assert runner.advance(Tick(debugger.machine.clock + SLICE)) == outcome.TestExited(1)
        assert debugger.position == debugger.timeline.end


def leaving_in_the_past(end: bytes, leaving: Leaving) -> tuple[int, list[str], int]:
    """A client goes back and leaves by `end`: the guest's tick then, what was said, and the last tick known before."""
    said: list[str] = []
    with program(COUNTING, "hot") as (debugger, at, _):
        server = GdbServer(debugger, leaving=leaving, log=said.append)
        runner = arbiter_of(debugger, server)
        packets = [framed(packet) for packet in (b"Z0,%x,1" % at["hot"], b"c", b"c", b"bc", *((end,) if end else ()))]
        client = Client(server.listen_tcp("127.0.0.1", 0), packets)
        while server.client is None:
            runner.poll()
        client.start()
        while client.is_alive():
            if runner.poll():
                runner.advance(Tick(debugger.machine.clock + SLICE))
        latest = debugger.timeline.end.tick
        client.socket.close()
        while server.client is not None:
            runner.poll()
        if debugger.running:
            runner.advance(Tick(debugger.machine.clock + SLICE))
        runner.close()
        return debugger.position.tick, said, latest


def test_client_that_detaches_in_the_past_lets_the_guest_run_on_from_its_end() -> None:
    tick, said, latest = leaving_in_the_past(b"D", Leaving.END)
    assert tick >= latest
    assert any("gdb has left in the past" in line and "back to the end, at tick" in line for line in said)


def test_client_that_detaches_in_the_past_leaves_the_guest_there_if_that_is_asked_for() -> None:
    tick, said, latest = leaving_in_the_past(b"D", Leaving.STAY)
    assert tick < latest
    assert any("left the guest in the past" in line and "what is typed is not taken there" in line for line in said)


def test_client_that_vanishes_in_the_past_leaves_the_guest_for_its_coming_back_and_that_is_said() -> None:
    tick, said, latest = leaving_in_the_past(b"", Leaving.END)
    assert tick < latest
    assert any("the guest stands in the past" in line and "attach and detach" in line for line in said)


@pytest.mark.parametrize("ending", [b"\x03", None], ids=["Ctrl-C", "hung up"])
def test_a_long_way_back_ends_when_its_client_wants_it_no_more(ending: bytes | None) -> None:
    never = b";X3,220027"
    with program(COUNTING, "hot") as (debugger, at, _):
        debugger.resume(Continue(limit=Tick(60_000_000)))
        debugger.wait()
        for tick in range(10_000_000, 60_000_000, 10_000_000):
            debugger.timeline.seek(Position(Tick(tick)))
            debugger.timeline.take_checkpoint()
        debugger.timeline.seek(debugger.timeline.end)
        server = GdbServer(debugger)
        runner = arbiter_of(debugger, server)
        with socket.create_connection(server.listen_tcp("127.0.0.1", 0), timeout=60) as client:
            while server.client is None:
                runner.poll()
            before = debugger.position
            client.sendall(framed(b"QStartNoAckMode") + framed(b"Z0,%x,1" % at["hot"] + never) + framed(b"bc"))
            while not debugger.running:
                runner.poll()
            if ending is not None:
                client.sendall(ending)
            else:
                client.close()
            runner.advance(FOR_EVER)
            assert debugger.last_stop == Interrupted()
            assert debugger.position == before
        runner.close()
