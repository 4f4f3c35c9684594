"""Clients that vanish, send garbage, or come while another is there: the guest does not mind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gdbstub.wire import framed
from tests.vmdbg.gdb.guests import Guest, sample_guest
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.stops import Ended
from vmdbg.errors import UserError
from vmdbg.gdb.server import GdbServer
from vmdbg.machine.outcome import PoweredOff


class Wire:
    """One client's socket, and the server's turn after whatever it does."""

    def __init__(self, server: GdbServer, guest: Guest, address: tuple[str, int]) -> None:
        self._server, self._guest = server, guest
        self.socket = socket.create_connection(address, timeout=5)
        self.turn()

    def turn(self, times: int = 20) -> None:
        for _ in range(times):
            if not self._server.poll(0.005) and not self._guest.debugger.running:
                return
            self._guest.debugger.poll(10_000)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.turn()

    def ask(self, text: str) -> bytes:
        self.send(framed(text.encode()))
        return self.socket.recv(1 << 20)

    def vanish(self) -> None:
        self.socket.close()
        self.turn()


@contextmanager
def served() -> Iterator[tuple[Guest, GdbServer, tuple[str, int], list[str]]]:
    lines: list[str] = []
    with sample_guest() as guest:
        server = GdbServer(guest.debugger, log=lines.append)
        try:
            yield guest, server, server.listen_tcp("127.0.0.1", 0), lines
        finally:
            server.close()


def test_client_that_vanishes_mid_packet_leaves_nothing_behind() -> None:
    with served() as (guest, server, address, lines):
        client = Wire(server, guest, address)
        assert client.ask("Z0,100020,1").endswith(b"$OK#9a")
        client.send(b"$m1000")
        client.vanish()
        assert server.client is None
        assert not guest.debugger.points.breakpoints
        assert any("left" in line for line in lines)
        again = Wire(server, guest, address)
        assert b"#" in again.ask("g")


def test_client_that_vanishes_while_the_guest_runs() -> None:
    with served() as (guest, server, address, _):
        client = Wire(server, guest, address)
        client.send(framed(b"vCont;c"))
        client.vanish()
        assert guest.debugger.running
        again = Wire(server, guest, address)
        assert not guest.debugger.running
        assert again.ask("?").startswith(b"+$T")


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 5000, b"$" * 300, b"$zz#00", b"#####", bytes(range(256)) * 40, b"}" * 999]
)
def test_garbage_is_survived(garbage: bytes) -> None:
    with served() as (guest, server, address, _):
        client = Wire(server, guest, address)
        client.send(garbage)
        client.vanish()
        again = Wire(server, guest, address)
        assert again.ask("qC").endswith(b"$QC1#c5")


def test_second_client_is_turned_away() -> None:
    with served() as (guest, server, address, lines):
        first = Wire(server, guest, address)
        second = Wire(server, guest, address)
        assert second.ask("qSupported").startswith(b"+$E.another client is attached to this guest")
        assert first.ask("qC").endswith(b"$QC1#c5")
        assert any("refused" in line for line in lines)


def test_pipelined_packets_are_all_answered() -> None:
    with served() as (guest, server, address, _):
        client = Wire(server, guest, address)
        client.send(framed(b"QStartNoAckMode") + b"+" + b"".join(framed(b"s") for _ in range(20)) + framed(b"p10"))
        received = b""
        while b"$" not in received or received.count(b"#") < 22:
            received += client.socket.recv(1 << 16)
        assert received.count(b"$T05") == 20


def test_detach_lets_the_guest_finish() -> None:
    with served() as (guest, server, address, _):
        client = Wire(server, guest, address)
        client.ask("D")
        guest.debugger.wait()
        assert guest.debugger.last_stop == Ended(PoweredOff())
        assert "demo: done" in guest.output
        assert not server.watched


def test_kill_ends_the_run() -> None:
    with served() as (guest, server, address, _):
        client = Wire(server, guest, address)
        client.send(framed(b"k"))
        assert server.killed


def test_attach_stops_a_running_guest_and_control_c_does() -> None:
    with served() as (guest, server, address, _):
        guest.debugger.resume(Continue())
        client = Wire(server, guest, address)
        assert not guest.debugger.running
        client.send(framed(b"c"))
        assert guest.debugger.running
        client.send(b"\x03")
        assert b"$T02" in client.socket.recv(1 << 16)


def test_client_that_comes_as_another_leaves_knows_where_the_guest_stands() -> None:
    with served() as (guest, server, address, _):
        first = Wire(server, guest, address)
        assert first.ask("c")[:1] == b"+"
        guest.debugger.poll(1_000_000)
        first.send(b"\x03")
        first.socket.recv(1 << 16)
        second = socket.create_connection(address, timeout=5)
        first.socket.sendall(framed(b"D"))
        first.socket.close()
        second.sendall(framed(b"QStartNoAckMode") + framed(b"?"))
        answers = b""
        for _ in range(100):  # the server hears both ends, and the guest moves in between
            server.linger()
            guest.debugger.poll(10_000)
            server.poll(0.005)
            second.setblocking(False)
            try:
                answers += second.recv(1 << 16)
            except BlockingIOError:
                continue
            if b"$T" in answers:
                break
        second.setblocking(True)
        second.sendall(b"+" + framed(b"s"))
        for _ in range(20):
            server.poll(0.005)
            guest.debugger.poll(10_000)
        assert b"$O" not in second.recv(1 << 16)


def test_port_that_is_taken() -> None:
    with served() as (guest, _, address, _lines):
        other = GdbServer(guest.debugger)
        with pytest.raises(UserError, match="cannot listen for gdb on"):
            other.listen_tcp(*address)
        other.close()


def test_other_hosts_are_warned_of() -> None:
    with sample_guest() as guest:
        lines: list[str] = []
        server = GdbServer(guest.debugger, log=lines.append)
        server.listen_tcp("0.0.0.0", 0)
        server.close()
        assert any("other hosts" in line for line in lines)
