"""Who gets nothing from the server, and that what it holds for a page is bounded."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vmdbg.host.addresses import LOOPBACK, TcpAddress
from vmdbg.web.answers import Answer, ConsoleWrote, Done, NotesView, Progress, encoded
from vmdbg.web.outbox import MOST_CONSOLE, Outbox
from vmdbg.web.page_files import PageFile
from vmdbg.web.requests import LONGEST_REQUEST
from vmdbg.web.server import MOST_CONNECTIONS, MOST_PAGES, MOST_UNANSWERED, Asked, Event, Joined, Left, WebServer

FILES = {"": PageFile("text/html", b"<p>page"), "app.js": PageFile("text/javascript", b"1")}
ALONE = """
import sys
from vmdbg.host.addresses import LOOPBACK, TcpAddress
from vmdbg.web.server import WebServer

server = WebServer({})
print(server.listen(TcpAddress(LOOPBACK, 0)), flush=True)
sys.stdin.read()
server.close()
"""
GARBAGE = (
    b"garbage\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\xff\0" * 100 + b"\r\n\r\n",
)


@pytest.fixture
def server() -> Iterator[tuple[WebServer, str]]:
    made = WebServer(FILES)
    url = made.listen(TcpAddress(LOOPBACK, 0))
    yield made, url
    made.close()


def status(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    async def ask() -> tuple[int, bytes, dict[str, str]]:
        async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True), headers=headers) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    return asyncio.run(ask())


def events(server: WebServer, count: int) -> list[Event]:
    found: list[Event] = []
    while len(found) < count:
        assert select.select([server.fileno()], [], [], 20)[0], found
        found += server.take()
    return found


def test_who_has_the_url_gets_the_page_and_nothing_from_elsewhere(server: tuple[WebServer, str]) -> None:
    _, url = server
    code, body, headers = status(url)
    assert (code, body) == (200, b"<p>page")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/x/", "/x/app.js", "/x/session", "//", "/%00/"])
def test_without_the_token_every_request_is_refused(server: tuple[WebServer, str], path: str) -> None:
    made, url = server
    code, body, _ = status(url.replace(f"/{made.token}/", path))
    assert code == 403
    assert b"page" not in body[:6]
    assert made.token.encode() not in body


@pytest.mark.parametrize(
    "name", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "app.js/..", "vendor", "%00"]
)
def test_no_path_leads_anywhere_but_to_the_page(server: tuple[WebServer, str], name: str) -> None:
    _, url = server
    code, body, _ = status(url + name)
    assert code in (403, 404)
    assert b"import" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "a@127.0.0.1:{port}", "[::1"]
)
def test_names_that_others_decide_about_are_refused(server: tuple[WebServer, str], host: str) -> None:
    _, url = server
    assert status(url, Host=host.format(port=urlsplit(url).port))[0] in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "localhost", "[::1]:9000"])
def test_a_tunnel_with_another_port_leads_here(server: tuple[WebServer, str], host: str) -> None:
    _, url = server
    assert status(url, Host=host, Origin=f"http://{host}")[0] == 200
    assert status(url, Host=host, Origin=f"http://{urlsplit(url).netloc}")[0] == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1:{port}", ""]
)
def test_pages_from_elsewhere_are_refused(server: tuple[WebServer, str], origin: str) -> None:
    made, url = server
    given = origin.format(port=urlsplit(url).port)
    assert status(url, Origin=given)[0] == 403

    async def ask() -> int:
        async with aiohttp.ClientSession() as session:
            try:
                await session.ws_connect(f"{url}session", headers={"Origin": given} if given else {})
            except aiohttp.WSServerHandshakeError as error:
                return error.status
            return 200

    assert asyncio.run(ask()) == 403
    assert made.take() == []


def test_a_page_asks_and_is_told(server: tuple[WebServer, str]) -> None:
    made, url = server

    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            channel = await session.ws_connect(f"{url}session", headers={"Origin": url.partition(f"/{made.token}")[0]})
            await channel.send_str('{"ask": "pause", "id": 7}')
            joined, asked = await asyncio.to_thread(events, made, 2)
            assert isinstance(joined, Joined)
            assert isinstance(asked, Asked)
            made.tell(asked.page, Answer(asked.request.id, Done()))
            assert json.loads((await channel.receive(20)).data) == {
                "tell": "answer",
                "id": 7,
                "result": {"shows": "nothing"},
            }
            await channel.close()
            (left,) = await asyncio.to_thread(events, made, 1)
            assert isinstance(left, Left)

    asyncio.run(talk())


@pytest.mark.parametrize(
    "text", ["", "{}", "[" * 50_000, '{"ask": "pause"}', '{"ask": "rm", "id": 1}', "\0", "x" * (LONGEST_REQUEST + 1)]
)
def test_who_says_what_is_no_request_is_left(server: tuple[WebServer, str], text: str) -> None:
    made, url = server

    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            channel = await session.ws_connect(f"{url}session", headers={"Origin": url.partition(f"/{made.token}")[0]})
            await channel.send_str(text)
            message = await channel.receive(20)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    asyncio.run(talk())
    assert [type(event) for event in events(made, 2)] == [Joined, Left]


def test_a_page_that_asks_without_end_is_heard_so_far_only(server: tuple[WebServer, str]) -> None:
    made, url = server

    async def talk() -> int:
        async with aiohttp.ClientSession() as session:
            channel = await session.ws_connect(f"{url}session", headers={"Origin": url.partition(f"/{made.token}")[0]})
            for number in range(MOST_UNANSWERED * 4):
                await channel.send_str(f'{{"ask": "console", "id": {number}}}')
            found = await asyncio.to_thread(events, made, 1 + MOST_UNANSWERED)
            await asyncio.sleep(0)
            for event in found[1:]:
                assert isinstance(event, Asked)
                made.tell(event.page, Answer(event.request.id, Done()))
            more = await asyncio.to_thread(events, made, MOST_UNANSWERED)
            await channel.close()
            return len(found) + len(more)

    assert asyncio.run(talk()) == 1 + 2 * MOST_UNANSWERED


def test_more_pages_than_there_is_room_for_are_turned_away(server: tuple[WebServer, str]) -> None:
    made, url = server

    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            origin = {"Origin": url.partition(f"/{made.token}")[0]}
            pages = [await session.ws_connect(f"{url}session", headers=origin) for _ in range(MOST_PAGES)]
            assert len(pages) == MOST_PAGES
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await session.ws_connect(f"{url}session", headers=origin)

    asyncio.run(talk())


@given(st.text(st.characters(), max_size=20))
def test_whatever_bytes_a_name_has_it_is_told(name: str) -> None:
    """Of a file whose name is no UTF-8: what Python makes of it is no text that UTF-8 has."""
    assert json.loads(encoded(Answer(7, NotesView([], name))))["result"]["path"] == name


def test_what_waits_for_a_slow_page_is_bounded() -> None:
    outbox = Outbox()
    for number in range(5000):
        outbox.put(ConsoleWrote("x" * 1000))
        outbox.put(Progress("going", number / 5000))
    sent = []
    while outbox:
        sent.append(json.loads(encoded(outbox.take())))
    assert [one["tell"] for one in sent] == ["progress", "wrote"]
    assert sent[0]["done"] == 4999 / 5000
    assert sent[1]["lost"]
    assert len(sent[1]["text"]) <= MOST_CONSOLE


def test_nothing_that_comes_is_heard_of_at_the_terminal() -> None:
    command = [sys.executable, "-c", ALONE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        parts = urlsplit(process.stdout.readline().decode())
        for garbage in GARBAGE:
            with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20) as client:
                client.sendall(garbage)
                assert client.recv(100).startswith(b"HTTP/1")
        assert process.communicate(timeout=20) == (b"", b"")


def test_who_comes_often_keeps_nobody_out_and_takes_no_more_room(server: tuple[WebServer, str]) -> None:
    made, url = server
    parts = urlsplit(url)

    async def crowd() -> list[bool]:
        """Whether each has been sent away."""
        ends = []
        async with aiohttp.ClientSession() as session:
            page = await session.ws_connect(f"{url}session", headers={"Origin": f"http://{parts.netloc}"})
            for _ in range(3 * MOST_CONNECTIONS):
                ends.append(await asyncio.open_connection(parts.hostname, parts.port))
                async with session.get(f"{url}app.js", headers={"Connection": "close"}) as answer:
                    assert answer.status == 200
            await page.send_str('{"ask": "pause", "id": 7}')
            joined, _ = await asyncio.to_thread(events, made, 2)
            made.tell(joined.page, Answer(7, Done()))
            assert json.loads((await page.receive(20)).data)["id"] == 7
        gone = []
        for reader, writer in ends:
            gone.append(reader.at_eof())
            writer.close()
        return gone

    gone = asyncio.run(crowd())
    assert gone == sorted(gone, reverse=True)
    assert 0 < gone.count(False) <= MOST_CONNECTIONS


def test_pages_that_take_nothing_in_do_not_keep_the_server_from_ending() -> None:
    made = WebServer(FILES)
    parts = urlsplit(made.listen(TcpAddress(LOOPBACK, 0)))
    request = (
        f"GET {parts.path}session HTTP/1.1\r\nHost: {parts.netloc}\r\nOrigin: http://{parts.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    pages = [socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20) for _ in range(6)]
    for page in pages:
        page.sendall(request.encode())
        assert page.recv(12) == b"HTTP/1.1 101"
    for joined in events(made, len(pages)):
        made.tell(joined.page, Answer(7, NotesView([], "x" * (6 << 20))))
    made.close()
    assert not made._thread.is_alive()
    for page in pages:
        page.close()
