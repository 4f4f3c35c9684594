"""What a page's scripts do, without a browser: a websocket at `vmdbg run --web`."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

SECONDS = 60


class RefusedError(Exception):
    """A request that was, with its words."""


class Page:
    """One request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: aiohttp.ClientWebSocketResponse) -> None:
        self._loop = loop
        self._channel = channel
        self._next = 0
        self.state: dict[str, Any] = {}
        self.console = ""
        self.refused = 0

    def ask(self, kind: str, **parts: object) -> Any:
        """Raises RefusedError."""
        self._next += 1
        self.send(json.dumps({"ask": kind, "id": self._next, **parts}))
        while True:
            message = self.take()
            if message["tell"] == "answer" and message["id"] == self._next:
                return message["result"]
            if message["tell"] == "refused" and message["id"] == self._next:
                self.refused += 1
                raise RefusedError(message["words"])

    def command(self, line: str) -> str:
        """The answer's text."""
        blocks = self.ask("command", line=line)["blocks"]
        return "\n".join("".join(text for text, _ in block["spans"]) for block in blocks if block["is"] == "text")

    def send(self, text: str) -> None:
        self._run(self._channel.send_str(text))

    def take(self) -> dict[str, Any]:
        """The next message."""
        message = self._run(self._channel.receive(SECONDS))
        assert message.type is aiohttp.WSMsgType.TEXT, message
        found: dict[str, Any] = json.loads(message.data)
        if found["tell"] == "state":
            self.state = found
        if found["tell"] == "wrote":
            self.console += found["text"]
        return found

    def told(self) -> None:
        """Once it knows how the guest is."""
        while not self.state:
            self.take()

    def stands(self) -> None:
        """Once the guest does."""
        while not self.state or self.state["running"]:
            self.take()

    def go(self, kind: str, **parts: object) -> None:
        """And wait for the stop."""
        before = self.state.get("stop")
        self.ask(kind, **parts)
        while self.state["running"] or self.state["stop"] == before:
            self.take()

    def _run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(SECONDS + 5)


@contextmanager
def joined(url: str, *, stands: bool = True) -> Iterator[Page]:
    """With `stands`, once the guest does; else as it is found."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
        session = aiohttp.ClientSession()
        parts = urlsplit(url)
        origin = {"Origin": f"http://{parts.netloc}"}
        return session, await session.ws_connect(f"{url}session", headers=origin, max_msg_size=1 << 26)

    session, channel = asyncio.run_coroutine_threadsafe(begin(), loop).result(SECONDS)
    try:
        page = Page(loop, channel)
        if stands:
            page.stands()
        else:
            page.told()
        yield page
    finally:
        asyncio.run_coroutine_threadsafe(channel.close(), loop).result(SECONDS)
        asyncio.run_coroutine_threadsafe(session.close(), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
