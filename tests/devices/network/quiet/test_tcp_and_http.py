"""TCP of the quiet network, whatever the cable does to segments, and HTTP over it."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.disk.medium import MediumError
from devices.network.inputs import FaultsInput
from devices.network.quiet import http
from devices.network.quiet.responder import ResponderState
from devices.network.quiet.tcp import MOST_CONNECTIONS
from devices.ninep.folder import FileKind, Name
from tests.devices.network.quiet.guest import ACK, FIN, GATEWAY, RST, SECOND, SITE, SYN, Client, Guest

BIG = random.Random(1).randbytes(300_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("web")
    (found / "hello.txt").write_text("hello\n")
    (found / "big.bin").write_bytes(BIG)
    (found / "empty").write_bytes(b"")
    (found / "sub").mkdir()
    (found / "sub" / "index.html").write_text("<p>index")
    (found / "list").mkdir()
    (found / "list" / "a <b>").write_text("x")
    (found / "list" / "way out").symlink_to("/etc/passwd")
    (found / "out").symlink_to("/etc/passwd")
    return found


def get(folder: Path | None, request: str, **kind) -> tuple[str, dict[str, str], bytes]:
    """Status line, fields and body of the answer to a request whose connection is closed after it."""
    guest = Guest(folder)
    head, _, body = Client(guest, **kind).talk(request.encode()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def simple(path: str, *fields: str, method: str = "GET") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *fields, "", ""])


@pytest.mark.parametrize("to", [GATEWAY, SITE])
def test_a_file_comes_whole(folder, to):
    first, fields, body = get(folder, simple("/big.bin"), to=to)
    assert first == "HTTP/1.1 200 OK"
    assert fields["Content-Length"] == str(len(BIG))
    assert body == BIG


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (simple("/hello.txt"), 200, b"hello\n"),
        (simple("/./sub/"), 200, b"<p>index"),
        (simple("/hello.txt?a=b"), 200, b"hello\n"),
        (simple("http://x/hello.txt"), 200, b"hello\n"),
        (simple("/%68ello.txt"), 200, b"hello\n"),
        (simple("/hello.txt", method="HEAD"), 200, b""),
        (simple("/empty"), 200, b""),
        ("GET /hello.txt HTTP/1.0\n\n", 200, b"hello\n"),
        (simple("/hello.txt", "Range: bytes=1-3"), 206, b"ell"),
        (simple("/hello.txt", "Range: bytes=4-"), 206, b"o\n"),
        (simple("/hello.txt", "Range: bytes=-2"), 206, b"o\n"),
        (simple("/hello.txt", "Range: bytes=0-5"), 200, b"hello\n"),
        (simple("/hello.txt", "Range: lines=1-3"), 200, b"hello\n"),
        (simple("/hello.txt", "Range: bytes=6-"), 416, None),
        (simple("/none"), 404, None),
        (simple("/../etc/passwd"), 404, None),
        (simple("/%2e%2e/%2e%2e/etc/passwd"), 404, None),
        (simple("/sub/..%2f..%2fetc/passwd"), 404, None),
        (simple("/a%00b"), 404, None),
        (simple("/hello.txt/x"), 404, None),
        (simple("/out"), 403, None),
        (simple("/hello.txt", method="DELETE"), 405, None),
        (simple("/hello.txt", "Content-Length: 3") + "abc", 405, None),
        ("hello\r\n\r\n", 400, None),
        ("GET / SPDY\r\n\r\n", 400, None),
        ("GET /" + "x" * 20_000, 431, None),
    ],
)
def test_requests_and_what_they_get(folder, request_, status, body):
    first, fields, found = get(folder, request_)
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert fields["Connection"] == "close"
    if body is not None:
        assert found == body
    elif not request_.startswith("HEAD"):
        assert int(fields["Content-Length"]) == len(found)


def test_a_directory_is_listed_without_its_links(folder):
    _, _, body = get(folder, simple("/list"))
    assert b'<a href="a%20%3Cb%3E">a &lt;b&gt;</a>' in body
    assert b"way out" not in body


def test_without_a_folder_nothing_is_there():
    assert get(None, simple("/"))[0] == "HTTP/1.1 404 Not Found"


def test_several_requests_on_one_connection_are_answered_in_order(folder):
    guest = Guest(folder)
    keep = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = [keep.format(path) for path in ("/hello.txt", "/none", "/empty", "/../x", "/big.bin")] * 3
    answer = Client(guest).talk("".join([*requests, simple("/hello.txt")]).encode())
    assert answer.count(b"HTTP/1.1 ") == 16
    assert answer.count(b"hello\n") == 4
    assert answer.count(BIG) == 3
    assert answer.endswith(b"hello\n")


def test_a_guest_that_has_said_all_is_answered_first(folder):
    answer = Client(Guest(folder)).talk(b"GET /hello.txt HTTP/1.1\r\n\r\n", close=True)
    assert answer.endswith(b"hello\n")


@pytest.mark.parametrize("seed", range(8))
def test_a_bad_cable_delays_and_spoils_nothing(folder, seed):
    guest = Guest(folder)
    guest.cable.take(FaultsInput("net0-cable", loss=40_000, duplicate=40_000, reorder=60_000, seed=seed), 0)
    client = Client(guest)
    answer = client.talk(simple("/big.bin").encode(), seconds=1000)
    assert answer.endswith(BIG)
    guest.run(guest.now + 200 * SECOND)
    assert guest.quiet.save().connections == [], "nothing stays"


@pytest.mark.parametrize("seed", range(4))
def test_the_echo_gives_all_back_however_bad_the_cable(seed):
    guest = Guest()
    guest.cable.take(FaultsInput("net0-cable", loss=40_000, duplicate=20_000, reorder=20_000, seed=seed), 0)
    assert Client(guest, port=7).talk(BIG[:40_000], close=True, seconds=600) == BIG[:40_000]


def test_discard_takes_all():
    assert Client(Guest(), port=9).talk(BIG[:50_000], close=True) == b""


def test_a_port_where_nobody_listens_resets():
    client = Client(Guest(), port=81)
    client.talk(b"")
    assert client.reset


def test_a_small_window_and_small_segments_are_kept_to(folder):
    client = Client(Guest(folder), window=500, mss=100)
    assert client.talk(simple("/hello.txt").encode()).endswith(b"hello\n")


def test_a_window_that_is_shut_is_asked_after(folder):
    guest = Guest(folder)
    client = Client(guest, window=0)
    client.talk(simple("/hello.txt").encode(), seconds=3)
    assert len(client.received) < 100
    client.window = 10_000
    client.emit(ACK)
    guest.run(guest.now + SECOND)
    assert client.received.endswith(b"hello\n")


def test_a_reset_ends_it_and_another_connection_of_the_same_ends_begins_anew(folder):
    guest = Guest(folder)
    client = Client(guest)
    client.talk(b"GET /big.bin HTTP/1.1\r\n", seconds=1)
    client.emit(RST)
    guest.run(guest.now + SECOND)
    assert guest.quiet.save().connections == []
    again = Client(guest)
    assert again.talk(simple("/hello.txt").encode()).endswith(b"hello\n")


def test_a_reset_that_is_not_of_now_is_not_heeded(folder):
    guest = Guest(folder)
    client = Client(guest)
    client.talk(b"GET", seconds=1)
    client.emit(RST, sequence=client.sequence + 100_000)
    guest.run(guest.now + SECOND)
    assert len(guest.quiet.save().connections) == 1


def test_a_flood_of_connections_takes_the_place_of_the_oldest():
    guest = Guest()
    for source in range(1000, 1000 + 3 * MOST_CONNECTIONS):
        client = Client(guest, source=source)
        client.emit(SYN)
        guest.run(guest.now + SECOND // 1000)
    assert len(guest.quiet.save().connections) == MOST_CONNECTIONS


def test_a_host_that_fails_the_folder_changes_nothing(folder):
    guest = Guest(folder)
    client = Client(guest)
    client.talk(b"", seconds=1)
    client.emit(ACK, simple("/hello.txt").encode(), sequence=1_001)
    while not guest.quiet.save().waiting:
        guest.run(guest.scheduler.next_due())
    assert guest.asks is not None
    before = msgspec.json.encode(guest.quiet.save())
    guest.asks.error = MediumError("gone")
    event = next(event for event in guest.scheduler.events() if event.name == "folder")
    due = event.due
    guest.scheduler.cancel(event.owner, event.name)
    with pytest.raises(MediumError):
        guest.quiet.on_event(event.name, due)
    assert msgspec.json.encode(guest.quiet.save()) == before
    guest.quiet.on_event(event.name, due)
    guest.run(guest.now + SECOND)
    assert client.received.endswith(b"hello\n")


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 400), seed=st.integers(0, 100))
def test_it_goes_on_from_what_it_saved(folder, cut, seed):
    guests = [Guest(folder), Guest(folder)]
    for guest in guests:
        guest.cable.take(FaultsInput("net0-cable", loss=30_000, reorder=20_000, seed=seed), 0)
    clients = [Client(guest) for guest in guests]
    for guest, client in zip(guests, clients, strict=True):
        client.out = simple("/big.bin").encode()
        client.connect()
        guest.run(SECOND // 1000)
        client.push()
        for _ in range(cut):
            due = guest.scheduler.next_due()
            if due is not None:
                guest.run(due)
    first, second = guests
    saved = msgspec.json.encode(second.quiet.save())
    second.quiet.restore(msgspec.json.decode(saved, type=ResponderState))
    for guest in guests:
        guest.run(guest.now + 2 * SECOND)
    assert msgspec.json.encode(first.quiet.save()) == msgspec.json.encode(second.quiet.save())
    assert clients[0].received == clients[1].received


@given(st.text(max_size=40), st.integers(0, 100))
def test_ranges_lie_within_the_file(wanted, size):
    for text in (wanted, f"bytes={wanted}", "bytes=" + "".join(c for c in wanted if c in "0123456789-")):
        part = http.part_of(text, size)
        assert part is None or 0 <= part[0] <= part[1] <= size


@given(st.binary(max_size=300))
def test_anything_is_a_request_or_none(data):
    request, rest = http.read_request(data + b"\r\n\r\n")
    assert request is not None
    assert (data + b"\r\n\r\n").endswith(rest)
    assert len(rest) < len(data) + 4
    assert b".." not in request.path.split(b"/")


def test_names_in_listings_are_only_text():
    page = http.listing(b"<x>", (Name(b'"><script>', FileKind.FILE, 1), Name(b"\xff", FileKind.FOLDER, 2)))
    assert b"<script>" not in page
    assert b'href="%FF/"' in page


def test_the_end_of_the_guest_alone_is_answered_with_ours():
    guest = Guest()
    client = Client(guest)
    client.talk(b"", close=True, seconds=5)
    assert client.finished
    client.emit(ACK)
    client.emit(FIN | ACK, sequence=client.sequence - 1)
    guest.run(guest.now + 3 * SECOND)
    assert guest.quiet.save().connections == []
