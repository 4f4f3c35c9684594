"""HTTP and websockets, in a thread of its own, which touches nothing of the guest's.

Who knows the token may do what the page can; nobody else gets more than a refusal. The token is the first part of
every path, so that no cookie is needed and no other page of the browser can make requests that count. Names that lead
to this host by a trick of DNS are refused by the Host header, pages from elsewhere by the Origin header.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import os
import queue
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from aiohttp.web_protocol import RequestHandler

from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress
from vmdbg.interruption import WaitingThread
from vmdbg.web.answers import Answer, Message, Refused, encoded
from vmdbg.web.errors import BadRequestError
from vmdbg.web.outbox import Outbox
from vmdbg.web.page_files import PageFile
from vmdbg.web.requests import LONGEST_REQUEST, Request, parse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN_BYTES = 16
"""Of chance: the URL fits on a line of 80 characters."""
MOST_PAGES = 32
MOST_CONNECTIONS = 2 * MOST_PAGES
"""Of whoever comes, token or not. For one more the oldest goes that is no page's: nobody keeps pages out, or uses up
this process's files.
"""
MOST_UNANSWERED = 16
"""Requests of one page: what it says beyond that stays in its socket until it has taken some answers in."""
CLOSE_SECONDS = 2.0
LEAVE_SECONDS = 0.2
"""For pages to say that they have heard of the end, and then for connections to be done: some never are."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' vscode-webview:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
for _name in ("aiohttp", "asyncio"):
    logging.getLogger(_name).addHandler(logging.NullHandler())  # a client's garbage is no news at the terminal
REFUSAL = "vmdbg serves this page to who has its whole URL, with the token: it was printed where vmdbg was started.\n"


@dataclass(eq=False, slots=True)
class Page:
    """One page in a browser. Only the server's thread touches what is in it."""

    outbox: Outbox = field(default_factory=Outbox)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_UNANSWERED))
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    page: Page


@dataclass(frozen=True, slots=True)
class Asked:
    page: Page
    request: Request


@dataclass(frozen=True, slots=True)
class Left:
    page: Page


Event = Joined | Asked | Left


class WebServer:
    """`fileno` is readable while take() has something."""

    def __init__(self, files: Mapping[str, PageFile], token: str | None = None) -> None:
        self._files = files
        self.token = token if token is not None else secrets.token_urlsafe(TOKEN_BYTES)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        self._loop = asyncio.new_event_loop()
        self._thread = WaitingThread(target=self._serve, name="web server", daemon=True)
        self._socket: socket.socket | None = None
        self._address = TcpAddress("", 0)
        self._pages: set[Page] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._connections: web.Server | None = None
        self._of_pages: set[RequestHandler] = set()
        self._over = asyncio.Event()

    # the debugger's side

    def listen(self, address: TcpAddress) -> str:
        """The page's URL. Raises UserError."""
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            made = socket.create_server((address.host, address.port), family=family, backlog=64)
        except OSError as error:
            raise UserError(f"cannot serve the page on {address}: {error.strerror or error}") from error
        made.setblocking(False)
        self._socket, self._address = made, TcpAddress(*made.getsockname()[:2])
        self._thread.start()
        return f"http://{self._address}/{self.token}/"

    def fileno(self) -> int:
        return self._wake_reader

    def take(self) -> list[Event]:
        """What has come since."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 1 << 12)
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def tell(self, page: Page, message: Message) -> None:
        with contextlib.suppress(RuntimeError):  # the thread has ended
            self._loop.call_soon_threadsafe(self._put, page, message)

    def _put(self, page: Page, message: Message) -> None:
        if not page.gone:
            page.outbox.put(message)
            page.ready.set()

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(CLOSE_SECONDS)
        elif self._socket is not None:
            self._socket.close()
        if not self._thread.is_alive():
            self._loop.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    # the server's thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        app = web.Application(middlewares=[self._checked], client_max_size=0)
        app.router.add_get("/{token}/session", self._session)
        app.router.add_get("/{token}/{name:.*}", self._file)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=LEAVE_SECONDS)
        await runner.setup()
        self._connections = runner.server
        assert self._socket is not None
        listening = await self._loop.create_server(self._come, sock=self._socket, backlog=64)
        await self._over.wait()
        listening.close()
        leaving = [one.close(code=1001, message=b"vmdbg ends") for one in self._sockets]
        await asyncio.gather(*(asyncio.wait_for(one, LEAVE_SECONDS) for one in leaving), return_exceptions=True)
        await runner.cleanup()

    def _come(self) -> asyncio.BaseProtocol:
        """Who speaks with somebody that has just come."""
        assert self._connections is not None
        there = [one for one in self._connections.connections if one.transport is not None]  # else it is leaving
        if len(there) >= MOST_CONNECTIONS:
            next(one for one in there if one not in self._of_pages).force_close()
        return self._connections()

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_allowed(request):
            return web.Response(status=403, text=REFUSAL, headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n", headers=HEADERS)
        return response

    def _is_allowed(self, request: web.Request) -> bool:
        token = request.match_info.get("token", "")
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return False
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        return self._is_ours(host) and (origin is None or origin == f"http://{host}")

    def _is_ours(self, host: str) -> bool:
        """An address, or a name that nobody else decides about. The port may be that of a tunnel, as of ssh."""
        try:
            parts = urlsplit(f"//{host}")
            name, _port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.path or parts.username is not None:
            return False
        if name in ("localhost", socket.gethostname().lower()):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.content, headers={**HEADERS, "Content-Type": file.kind})

    async def _session(self, request: web.Request) -> web.StreamResponse:
        """One page, until it is gone."""
        if request.headers.get("Origin") is None:
            raise web.HTTPForbidden
        if len(self._pages) >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(reason=f"{MOST_PAGES} pages are open: close one")
        channel = web.WebSocketResponse(max_msg_size=LONGEST_REQUEST, compress=False, timeout=1.0)
        await channel.prepare(request)
        page = Page()
        self._of_pages.add(request.protocol)
        self._pages.add(page)
        self._sockets.add(channel)
        self._note(Joined(page))
        writer = asyncio.create_task(_write(page, channel))
        try:
            async for asked in self._requests(page, channel):
                self._note(Asked(page, asked))
        finally:
            page.gone = True
            writer.cancel()
            self._of_pages.discard(request.protocol)
            self._pages.discard(page)
            self._sockets.discard(channel)
            self._note(Left(page))
        return channel

    async def _requests(self, page: Page, channel: web.WebSocketResponse) -> AsyncIterator[Request]:
        """Ends where the page does, or says what is no request."""
        while not page.gone:
            await page.room.acquire()
            message = await channel.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                yield parse(message.data)
            except BadRequestError as error:
                await channel.close(code=1008, message=str(error).encode()[:100])
                return

    def _note(self, event: Event) -> None:
        self._events.put(event)
        with contextlib.suppress(OSError):  # full: it is readable anyway
            os.write(self._wake_writer, b"!")


async def _write(page: Page, channel: web.WebSocketResponse) -> None:
    """One message after the other: the next is taken once the page has room for it. Who does not take answers in may
    ask no more.
    """
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await page.ready.wait()
            page.ready.clear()
            while page.outbox:
                message = page.outbox.take()
                await channel.send_str(encoded(message).decode())
                if isinstance(message, Answer | Refused):
                    page.room.release()
