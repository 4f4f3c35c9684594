"""Serial lines with clients that come, are slow, and leave."""

import os
import socket
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.poller import Poller
from vmdbg.host.serial_clients import CONGESTED, KEPT, PtyBackend, SocketBackend

SECONDS = 20
TURNS = 200


class Line:
    """A backend with its poller and what it received."""

    def __init__(self, backend: SocketBackend | PtyBackend) -> None:
        self.poller = Poller()
        self.backend = backend
        self.received = bytearray()
        self.where = backend.open(self.poller, self.received.extend) or ""

    def turn(self) -> None:
        self.backend.flush()
        self.poller.wait(0.01)
        self.backend.flush()

    def until_received(self, data: bytes) -> None:
        for _ in range(TURNS):
            self.turn()
            if self.received == data:
                return
        raise AssertionError(f"received {self.received!r}, not {data!r}")

    def close(self) -> None:
        self.backend.close()
        self.poller.close()


@pytest.fixture
def tcp() -> Iterator[Line]:
    line = Line(SocketBackend(TcpAddress("127.0.0.1", 0)))
    yield line
    line.close()


@pytest.fixture
def pty_line() -> Iterator[Line]:
    line = Line(PtyBackend())
    yield line
    line.close()


def connect(line: Line) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", int(line.where.rpartition(":")[2])), SECONDS)
    line.turn()
    return client


def receive(line: Line, client: socket.socket, size: int) -> bytes:
    client.settimeout(SECONDS)
    data = b""
    while len(data) < size:
        line.turn()
        piece = client.recv(size - len(data))
        assert piece
        data += piece
    return data


def test_both_directions(tcp: Line) -> None:
    with connect(tcp) as client:
        client.sendall(b"in\x00\xff")
        tcp.until_received(b"in\x00\xff")
        tcp.backend.write(b"out")
        assert receive(tcp, client, 3) == b"out"


def test_output_before_the_first_client_is_kept(tcp: Line) -> None:
    tcp.backend.write(b"x" * KEPT + b"the end")
    tcp.turn()
    with connect(tcp) as client:
        assert receive(tcp, client, KEPT).endswith(b"the end")


def test_a_client_may_leave_and_another_come(tcp: Line) -> None:
    for word in (b"first", b"second", b"third"):
        with connect(tcp) as client:
            tcp.backend.write(word)
            assert receive(tcp, client, len(word)) == word
        for _ in range(3):
            tcp.turn()


def test_a_client_that_resets_the_connection_does_no_harm(tcp: Line) -> None:
    client = connect(tcp)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    tcp.backend.write(b"x" * 100)
    for _ in range(3):
        tcp.turn()
    with connect(tcp) as other:
        assert receive(tcp, other, 1) == b"x"


def test_a_client_that_does_not_read_holds_the_guest_up(tcp: Line) -> None:
    with connect(tcp):
        for _ in range(TURNS):
            tcp.backend.write(b"x" * CONGESTED)
            tcp.turn()
            if tcp.backend.congested:
                break
        assert tcp.backend.congested
    for _ in range(3):
        tcp.turn()
    assert not tcp.backend.congested


def test_a_second_client_waits_for_the_first_to_leave(tcp: Line) -> None:
    with connect(tcp) as first, connect(tcp) as second:
        tcp.backend.write(b"a")
        assert receive(tcp, first, 1) == b"a"
        first.close()
        for _ in range(3):
            tcp.turn()
        tcp.backend.write(b"b")
        assert receive(tcp, second, 1) == b"b"


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "serial"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    line = Line(SocketBackend(UnixPath(str(path))))
    assert str(path) in line.where
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"hi")
        line.until_received(b"hi")
    line.close()
    assert not path.exists()


def test_a_socket_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "serial"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        with pytest.raises(UserError, match=r"cannot listen on unix:.*in use"):
            Line(SocketBackend(UnixPath(str(path))))
    assert path.exists()


def test_a_pseudoterminal_in_both_directions_and_again(pty_line: Line) -> None:
    path = pty_line.where.rpartition(" ")[2]
    expected = b""
    for word in (b"first\r", b"second\r"):
        client = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(client, termios.TCSANOW)
        pty_line.turn()
        os.write(client, word)
        expected += word
        pty_line.until_received(expected)
        pty_line.backend.write(b"out\n")
        pty_line.turn()
        assert os.read(client, 100) == b"out\n"
        os.close(client)
        pty_line.turn()


def test_a_pseudoterminal_nobody_opens_drops_old_output(pty_line: Line) -> None:
    for _ in range(3):
        pty_line.backend.write(b"x" * CONGESTED)
        pty_line.turn()
        assert not pty_line.backend.congested
