"""A client and the loop of `vmdbg run`: stops that follow one another, and Ctrl-C in the midst of a run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.gdbstub.wire import framed
from tests.vmdbg.debugger.programs import program
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.runner import GdbRunner
from vmdbg.gdb.server import GdbServer
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


RUN_ON = framed(b"vCont;c")


@contextmanager
def served(
    make_packets: Callable[[int], list[bytes]], source: str = COUNTING
) -> Iterator[tuple[GdbRunner, Debugger, Client]]:
    """A guest that stands at its first instruction, with a client attached that was given the address of `hot`."""
    with program(source, "hot") as (debugger, at, _):
        server = GdbServer(debugger)
        runner = GdbRunner(debugger, server, wait=True)
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
        runner = GdbRunner(debugger, server, wait=False)
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
def test_guest_that_ended_waits_for_a_client_that_can_start_it_again(extended: bool) -> None:
    packets = [framed(packet) for packet in ((b"!", b"c", b"vRun;", b"c") if extended else (b"c",))]
    with served(lambda _: packets, ENDING) as (runner, debugger, client):
        outcomes = []
        while client.is_alive():
            if runner.poll():
                outcomes.append(runner.advance(Tick(debugger.machine.clock + SLICE)))
        ends = [reply for reply in client.replies if b"$W00" in reply]
        assert len(ends) == (2 if extended else 1)
        assert any(outcomes) is not extended
        assert runner.finished is not extended
        client.socket.close()
        while not runner.finished:
            runner.poll()
