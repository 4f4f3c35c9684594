"""Who passes frames on to the host: libslirp, streams to other machines, TAP interfaces; and what becomes of frames."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.network.frame import LONGEST
from devices.network.quiet import packets as ip
from tests.devices.network.quiet.guest import ACK, GATEWAY, GUEST, MAC, PSH, SYN, echo
from tests.devices.network.quiet.test_small_protocols import arp
from vmdbg.errors import UserError
from vmdbg.host import slirp_library
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.net_socket import SocketBackend, TapBackend
from vmdbg.host.net_user import Forward, UserBackend, UserNet, parse_forward
from vmdbg.host.poller import Poller

SLIRP_MAC = bytes.fromhex("52550a000202")
PATIENCE = 200
"""Turns of a twentieth of a second."""


class Loop:
    """As much of a run loop as a backend sees."""

    def __init__(self, backend) -> None:
        self.backend = backend
        self.poller = Poller()
        self.frames: list[bytes] = []
        self.said = backend.open(self.poller, self.frames.extend)

    def until(self, wanted: Callable[[], object]) -> None:
        for _ in range(PATIENCE):
            self.backend.settle(listening=True)
            if wanted():
                return
            self.poller.wait(0.05)
        raise AssertionError(f"it did not come: {self.frames}")

    def close(self) -> None:
        self.backend.close()
        self.poller.close()


@pytest.fixture
def loops() -> Iterator[Callable[[object], Loop]]:
    made: list[Loop] = []

    def make(backend: object) -> Loop:
        made.append(Loop(backend))
        return made[-1]

    yield make
    for loop in made:
        loop.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def user(*forwards: Forward, restricted: bool = False, whole_segments: bool = False) -> UserBackend:
    return UserBackend(UserNet("10.0.2", forwards, restricted, whole_segments), Clock())


def segment(
    port: int,
    sequence: int,
    acknowledged: int,
    flags: int,
    data: bytes = b"",
    *,
    source: int = 5000,
    options: bytes = b"",
) -> bytes:
    one = ip.Segment(port, source, sequence, acknowledged, ip.Flag(flags), 60_000, data, options)
    ends = ip.Ends(SLIRP_MAC, MAC, GATEWAY, GUEST)
    return ip.ip_frame(ends, ip.TCP, ip.tcp_data(ends, one), 1)


def tcp_of(frames: list[bytes]) -> list[ip.Segment]:
    """Those that came, ports the other way round."""
    packets = [ip.read_ip(frame, SLIRP_MAC) for frame in frames if frame[12:14] == b"\x08\x00"]
    return [found for packet in packets if packet is not None and packet.protocol == ip.TCP
            if (found := ip.read_tcp(packet)) is not None]  # fmt: skip


@pytest.mark.usefixtures("slirp")
def test_the_gateway_of_libslirp_answers(loops):
    loop = loops(user())
    loop.backend.send(arp(GATEWAY))
    loop.until(lambda: loop.frames)
    assert loop.frames[0][6:12] == SLIRP_MAC
    loop.backend.send(SLIRP_MAC + echo(GATEWAY)[6:])
    loop.until(lambda: len(loop.frames) > 1)
    assert loop.frames[1][34] == 0


@pytest.mark.usefixtures("slirp")
def test_a_connection_to_the_gateway_is_one_to_this_host(loops):
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    loop = loops(user())
    loop.backend.send(arp(GATEWAY))
    loop.backend.send(segment(port, 100, 0, SYN))
    loop.until(lambda: tcp_of(loop.frames))
    first = tcp_of(loop.frames)[0]
    assert first.flags == SYN | ACK
    peer, _ = server.accept()
    loop.backend.send(segment(port, 101, first.sequence + 1, ACK | PSH, b"from the guest"))
    peer.settimeout(10)
    loop.until(lambda: True)
    assert peer.recv(100) == b"from the guest"
    peer.sendall(b"from the host")
    loop.until(lambda: any(one.data == b"from the host" for one in tcp_of(loop.frames)))
    assert loop.backend.restart() == "connections to the host were cut: it does not go back in time"
    assert peer.recv(100) == b""
    peer.close()
    server.close()


@pytest.mark.usefixtures("slirp")
@pytest.mark.parametrize("whole", [False, True])
def test_segments_are_as_long_as_the_guests_device_takes_them(loops, whole):
    sent = bytes(range(256)) * 200
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        loop = loops(user(whole_segments=whole))
        loop.backend.send(arp(GATEWAY))
        loop.backend.send(segment(port, 100, 0, SYN, options=b"\2\4" + (1460).to_bytes(2, "big")))
        loop.until(lambda: tcp_of(loop.frames))
        first = tcp_of(loop.frames)[0]
        peer, _ = server.accept()
        with peer:
            peer.settimeout(10)
            data = sent[:30_000] if whole else sent[:1460]
            loop.backend.send(segment(port, 101, first.sequence + 1, ACK | PSH, data))
            loop.until(lambda: True)
            got = b""
            while len(got) < len(data):
                got += peer.recv(1 << 16)
            assert got == data
            peer.sendall(sent)

            def all_came() -> bool:
                """Each is acknowledged."""
                end = first.sequence + 1
                for one in tcp_of(loop.frames)[1:]:
                    end = max(end, one.sequence + len(one.data))
                loop.backend.send(segment(port, 101 + len(data), end, ACK))
                return end == first.sequence + 1 + len(sent)

            loop.until(all_came)
    longest = max(len(frame) for frame in loop.frames)
    assert longest > 20_000 if whole else 1400 < longest <= 1514
    came = {one.sequence: one.data for one in tcp_of(loop.frames)[1:] if one.data}
    assert b"".join(came[sequence] for sequence in sorted(came)) == sent


@pytest.mark.usefixtures("slirp")
def test_who_comes_to_a_forwarded_port_gets_to_the_guest(loops):
    loop = loops(user(parse_forward("tcp::0-:22"), parse_forward("udp:127.0.0.1:0-:53"), restricted=True))
    assert loop.said is not None
    places = dict(word.split(" ") for word in loop.said.removeprefix("forwarded to the guest: ").split(", "))
    loop.backend.send(arp(GATEWAY))
    host, port = places["tcp"].split(":")
    assert host == "127.0.0.1"
    with socket.create_connection((host, int(port)), timeout=10):
        loop.until(lambda: any((frame[12:14] == b"\x08\x06" and frame[38:42] == GUEST) or frame[30:34] == GUEST
                               for frame in loop.frames[1:]))  # fmt: skip


@pytest.mark.usefixtures("slirp")
def test_a_port_that_is_taken_is_named(loops):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    backend = user(Forward(False, "127.0.0.1", port, "", 22))
    with pytest.raises(UserError, match=f"port {port} of 127.0.0.1: Address already in use"):
        backend.open(Poller(), lambda frame: None)
    backend.close()
    taken.close()


def test_without_libslirp_the_package_is_named(monkeypatch):
    monkeypatch.setattr(slirp_library, "NAMES", ("libnone.so.0",))
    slirp_library.load.cache_clear()
    try:
        with pytest.raises(UserError, match="Ubuntu: apt install libslirp0"):
            user().open(Poller(), lambda frame: None)
    finally:
        slirp_library.load.cache_clear()


@pytest.mark.parametrize("text", ["", "tcp", "tcp::22", "tcp::70000-:22", "tcp::1-:0", "sctp::1-:2", "tcp:a.b:1-:2",
                                  "tcp::1-300.1.1.1:2"])  # fmt: skip
def test_a_forward_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="hostfwd"):
        parse_forward(text)


def test_forwards_are_of_the_loopback():
    assert parse_forward("tcp::2222-:22") == Forward(False, "127.0.0.1", 2222, "", 22)
    assert parse_forward("udp:0.0.0.0:1-10.0.2.15:2") == Forward(True, "0.0.0.0", 1, "10.0.2.15", 2)


@pytest.mark.parametrize("unix", [False, True])
def test_two_ends_of_a_stream_have_each_others_frames(loops, tmp_path: Path, unix: bool):
    address: TcpAddress | UnixPath = UnixPath(str(tmp_path / "s")) if unix else TcpAddress("127.0.0.1", 0)
    one = loops(SocketBackend(address, listens=True))
    if isinstance(address, TcpAddress):
        address = TcpAddress("127.0.0.1", int(one.said.rpartition(":")[2]))
    other = loops(SocketBackend(address, listens=False))
    one.backend.settle(listening=True)
    one.poller.wait(1)
    frames = [bytes([n]) * size for n, size in enumerate((60, 1514, LONGEST))]
    for frame in frames:
        one.backend.send(frame)
        other.backend.send(frame)
    one.until(lambda: one.frames == frames or other.backend.settle(listening=True))
    other.until(lambda: other.frames == frames or one.backend.settle(listening=True))
    other.backend.close()
    one.backend.send(b"x" * 60)
    for _ in range(3):
        one.backend.settle(listening=True)
        one.poller.wait(0.05)
    third = loops(SocketBackend(address, listens=False))
    one.until(lambda: third.backend.send(b"y" * 60) or third.backend.settle(listening=True) or b"y" * 60 in one.frames)


def test_who_speaks_another_protocol_is_left(loops):
    one = loops(SocketBackend(TcpAddress("127.0.0.1", 0), listens=True))
    with socket.create_connection(("127.0.0.1", int(one.said.rpartition(":")[2])), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.settimeout(0.02)
        ended = threading.Event()

        def look() -> bool:
            try:
                if not client.recv(10):
                    ended.set()
            except TimeoutError:
                pass
            except OSError:
                ended.set()
            return ended.is_set()

        one.until(look)
    assert one.frames == []


def test_a_reader_that_does_not_read_costs_a_bound(loops):
    one = loops(SocketBackend(TcpAddress("127.0.0.1", 0), listens=True))
    client = socket.create_connection(("127.0.0.1", int(one.said.rpartition(":")[2])), timeout=10)
    one.backend.settle(listening=True)
    one.poller.wait(1)
    for _ in range(20_000):
        one.backend.send(bytes(1514))
        one.backend._push()
    assert len(one.backend._outbox) < 2 << 20
    client.close()


@pytest.mark.parametrize(("address", "says"), [(TcpAddress("127.0.0.1", 1), "cannot reach 127.0.0.1:1"),
                                               (UnixPath("/none/at/all"), "cannot reach unix:/none/at/all"),
                                               (UnixPath("x" * 200), "cannot reach")])  # fmt: skip
def test_an_end_that_is_not_there_is_named(address, says):
    with pytest.raises(UserError, match=says):
        SocketBackend(address, listens=False).open(Poller(), lambda frame: None)


def test_a_port_that_is_taken_by_another_is_named():
    taken = socket.create_server(("127.0.0.1", 0))
    address = TcpAddress("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="cannot listen at"):
        SocketBackend(address, listens=True).open(Poller(), lambda frame: None)
    taken.close()


def test_a_tap_is_a_file_of_frames(loops):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    loop = loops(TapBackend("tap7", lambda name: os.dup(ours.fileno())))
    loop.backend.send(b"a" * 60)
    assert theirs.recv(100) == b"a" * 60
    theirs.send(struct.pack("60s", b"back"))
    loop.until(lambda: loop.frames)
    assert loop.frames == [b"back".ljust(60, b"\0")]
    ours.close()
    theirs.close()


def test_a_tap_that_cannot_be_had_says_how_it_is_made():
    def refuse(name: str) -> int:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(UserError, match="tap:tap7: Operation not permitted; make it as root, with `ip tuntap add tap7"):
        TapBackend("tap7", refuse).open(Poller(), lambda frame: None)
