"""Sockets: clients that come, go, vanish and crowd. One thread: the test is client and server in turn."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gdbstub import server as server_module
from gdbstub.server import Server
from gdbstub.simple import Ram
from gdbstub.stops import Stepped, ThreadId
from gdbstub.turned_away import MOST
from tests.gdbstub.machine import Machine
from tests.gdbstub.wire import framed, payloads


class Bench:
    """A server on a free port, its machine, and its log."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.log: list[str] = []
        self.server = Server(self.machine.target(), log=self.log.append)
        self.address = self.server.listen_tcp()

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.address, timeout=5)
        self.server.poll(5)
        return client

    def ask(self, client: socket.socket, packet: bytes) -> bytes:
        client.sendall(framed(packet))
        self.server.poll(5)
        (reply,) = payloads(client.recv(1 << 20))
        client.sendall(b"+")
        self.server.poll(5)
        return reply


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.server.close()


def test_listens_on_the_loopback(bench: Bench) -> None:
    assert bench.address[0] == "127.0.0.1"


def test_client_is_served_and_named(bench: Bench) -> None:
    with bench.connect() as client:
        assert bench.server.client is not None
        assert bench.ask(client, b"qC") == b"QC1"
    assert bench.log[0].startswith("gdb client attached from 127.0.0.1:")


def test_poll_without_news_returns_at_once(bench: Bench) -> None:
    assert bench.server.poll(0) is False


def test_closed_client_takes_its_breakpoints_along(bench: Bench) -> None:
    with bench.connect() as client:
        assert bench.ask(client, b"Z0,1000,1") == b"OK"
        assert bench.machine.points
    assert bench.server.poll(5)
    assert bench.server.client is None
    assert not bench.machine.points
    assert bench.machine.log == ["attached", "vanished"]


def test_client_that_detached_did_not_vanish(bench: Bench) -> None:
    with bench.connect() as client:
        bench.ask(client, b"D")
    bench.server.poll(5)
    assert bench.machine.log == ["attached", "detached"]


def test_client_vanishes_in_mid_packet_with_a_reset(bench: Bench) -> None:
    client = bench.connect()
    client.sendall(b"$m1000,")
    bench.server.poll(5)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.server.poll(5)
    assert bench.server.client is None
    with bench.connect() as other:
        assert bench.ask(other, b"qC") == b"QC1"


def test_second_client_is_refused_while_one_is_there(bench: Bench) -> None:
    with bench.connect() as first, bench.connect() as second:
        assert bench.ask(second, b"qSupported:multiprocess+").startswith(b"E.another client is attached to this guest")
        assert second.recv(100) == b""
        assert bench.ask(first, b"qC") == b"QC1"
    assert any("refused" in line for line in bench.log)


def test_lldb_is_let_go_at_once_when_another_client_is_there(bench: Bench) -> None:
    """It would wait for more after an error."""
    with bench.connect(), bench.connect() as lldb:
        lldb.sendall(b"+" + framed(b"QStartNoAckMode"))
        bench.server.poll(5)
        with contextlib.suppress(ConnectionResetError):
            assert lldb.recv(100) == b""


def test_refused_clients_that_say_nothing_do_not_pile_up(bench: Bench) -> None:
    with bench.connect() as first, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(bench.connect()) for _ in range(MOST + 2)]
        assert [client.recv(100) for client in crowd[:2]] == [b"", b""]
        assert bench.ask(crowd[-1], b"qSupported").startswith(b"E.another client")
        assert bench.ask(first, b"qC") == b"QC1"


SLOW = framed(b"qCRC:1000,1000")


class SlowMemory(Ram):
    """Takes a millisecond for each read."""

    reads = 0

    def read(self, thread: ThreadId, address: int, length: int) -> bytes:
        self.reads += 1
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        return super().read(thread, address, min(length, 16))


def slow(bench: Bench) -> SlowMemory:
    memory = SlowMemory(bytearray(0x2000), 0x1000)
    bench.machine.memory = memory
    bench.server = Server(bench.machine.target(), log=bench.log.append)
    bench.address = bench.server.listen_tcp()
    return memory


def test_requests_that_follow_one_another_are_answered_a_turn_at_a_time(bench: Bench) -> None:
    memory = slow(bench)
    with bench.connect() as client:
        client.sendall(framed(b"QStartNoAckMode") + framed(b"m1000,1") * 300)
        replies, polls = b"", 0
        while replies.count(b"#") < 301:
            began, before = time.thread_time(), memory.reads
            assert bench.server.poll(5)
            assert memory.reads - before < 200, time.thread_time() - began
            polls += 1
            with contextlib.suppress(BlockingIOError):
                replies += client.recv(1 << 20, socket.MSG_DONTWAIT)
        assert polls > 5
        assert bench.server.poll(0) is False


@pytest.mark.parametrize("requests", [SLOW * 50, framed(b"m1000,1") * 5000], ids=["one long", "many"])
def test_a_client_that_is_gone_is_not_worked_for(bench: Bench, requests: bytes) -> None:
    memory = slow(bench)
    client = bench.connect()
    client.sendall(framed(b"QStartNoAckMode") + requests)
    client.close()
    while bench.server.client is not None:
        assert bench.server.poll(5)
    assert memory.reads < 600


def test_requests_beyond_a_bound_are_left_with_the_client(bench: Bench) -> None:
    slow(bench)
    with bench.connect() as client:
        client.sendall(framed(b"QStartNoAckMode"))
        bench.server.poll(5)
        client.setblocking(False)
        flood, sent = framed(b"m1000,1") * 10_000, 0
        for _ in range(40):
            with contextlib.suppress(BlockingIOError):
                sent += client.send(flood)
            bench.server.poll(0)
        assert bench.server.session is not None
        assert bench.server.session.backlog <= server_module.MAX_BACKLOG + server_module.RECEIVE


def test_text_for_a_client_that_does_not_read_is_bounded_and_said_to_be_lost(bench: Bench) -> None:
    with bench.connect() as client:
        client.sendall(framed(b"QStartNoAckMode") + framed(b"c"))
        bench.server.poll(5)
        for _ in range(4000):
            bench.server.console("x" * 8000)
        session = bench.server.session
        assert session is not None
        assert len(session.take_output()) < 6 << 20
        bench.server.console("again\n")
        said = session.take_output().partition(b"O")[2].partition(b"#")[0]
        assert b"pieces of text were lost" in bytes.fromhex(said.decode())


def test_next_client_attaches_although_the_last_ones_leave_was_not_polled(bench: Bench) -> None:
    bench.connect().close()
    with bench.connect() as client:
        bench.server.poll(0)
        assert bench.ask(client, b"qC") == b"QC1"


def test_kill_closes_the_connection(bench: Bench) -> None:
    with bench.connect() as client:
        client.sendall(framed(b"k"))
        bench.server.poll(5)
        assert client.recv(100) == b"+"
        assert client.recv(100) == b""
    assert bench.machine.log == ["attached", "killed"]


def test_stop_reaches_the_client(bench: Bench) -> None:
    with bench.connect() as client:
        client.sendall(framed(b"c"))
        bench.server.poll(5)
        bench.server.console("hello")
        bench.server.stopped(Stepped())
        console, stop = payloads(client.recv(1000))
        assert console == b"O" + b"hello".hex().encode()
        assert stop.startswith(b"T05")


def test_stop_without_a_client_is_nothing(bench: Bench) -> None:
    bench.server.stopped(Stepped())
    bench.server.console("hello")


def test_client_that_asks_for_much_and_reads_late_loses_nothing(bench: Bench) -> None:
    count, length = 400, 0x2000
    with bench.connect() as client:
        client.sendall(framed(b"QStartNoAckMode") + framed(b"m1000,2000") * count)
        for _ in range(50):
            bench.server.poll(0)
            assert len(bench.server._output) < 1 << 21
        client.setblocking(False)
        stream = bytearray()
        while len(stream) < len("+$OK#9a") + count * (2 * length + 4):
            bench.server.poll(0)
            with contextlib.suppress(BlockingIOError):
                stream += client.recv(1 << 20)
    replies = payloads(bytes(stream))
    assert replies == [b"OK"] + [(bytes(range(256)) * 32).hex().encode()] * count


@pytest.fixture(params=["waits in the call", "waits in the selector"])
def lingering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> Bench:
    """As everywhere, and as where the system has no flag for a call that does not wait."""
    if request.param == "waits in the selector":
        monkeypatch.setattr(server_module, "_NO_WAIT", 0)
    return bench


def test_linger_serves_the_attached_client(lingering: Bench) -> None:
    with lingering.connect() as client:
        client.sendall(framed(b"QStartNoAckMode"))
        assert lingering.server.linger()
        assert payloads(client.recv(100)) == [b"OK"]
        client.sendall(framed(b"qC") * 3)
        assert lingering.server.linger()
        assert payloads(client.recv(100)) == [b"QC1"] * 3
        assert not lingering.server.linger()


def test_linger_without_a_client_looks_for_one(lingering: Bench) -> None:
    assert not lingering.server.linger()
    with socket.create_connection(lingering.address, timeout=5):
        assert lingering.server.linger()
        assert lingering.server.client is not None


def test_linger_notices_that_the_client_left(lingering: Bench) -> None:
    lingering.connect().close()
    assert lingering.server.linger()
    assert lingering.server.client is None
    assert not lingering.server.linger()


def test_linger_does_not_wait_for_a_client_that_does_not_read(
    lingering: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LINGER_SECONDS", 5.0)
    with lingering.connect() as client:
        client.sendall(framed(b"QStartNoAckMode") + framed(b"m1000,2000") * 400)
        while not lingering.server._output:
            assert lingering.server.poll(5)
        assert not any(lingering.server.linger() for _ in range(100))


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "gdb.sock")
    machine = Machine()
    server = Server(machine.target())
    server.listen_unix(path)
    assert os.stat(path).st_mode & 0o177 == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        server.poll(5)
        client.sendall(framed(b"qC"))
        server.poll(5)
        assert payloads(client.recv(100)) == [b"QC1"]
    server.close()
    assert not os.path.exists(path)


def test_stale_unix_socket_is_replaced_but_nothing_else(tmp_path: Path) -> None:
    path = str(tmp_path / "gdb.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    server = Server(Machine().target())
    server.listen_unix(path)
    with pytest.raises(OSError, match="in use"):
        Server(Machine().target()).listen_unix(path)
    server.close()
    plain = tmp_path / "file"
    plain.write_text("precious")
    other = Server(Machine().target())
    with pytest.raises(OSError, match="a file that is no socket"):
        other.listen_unix(str(plain))
    with pytest.raises(OSError, match="there is a directory"):
        other.listen_unix(str(tmp_path))
    assert plain.read_text() == "precious"


def test_port_in_use(bench: Bench) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(bench.machine.target()).listen_tcp(port=bench.address[1])


def test_readable_descriptor_for_other_loops(bench: Bench) -> None:
    assert bench.server.fileno() >= 0
