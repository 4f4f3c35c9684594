"""Messages as a client writes and reads them, by code that shares nothing with the library."""

from __future__ import annotations

import json
from typing import Any


def message(seq: int, command: str, **arguments: object) -> bytes:
    return raw({"seq": seq, "type": "request", "command": command, "arguments": arguments})


def raw(made: dict[str, Any]) -> bytes:
    body = json.dumps(made).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def messages(data: bytes) -> list[dict[str, Any]]:
    """Whole ones, nothing before, between or behind them."""
    found = []
    while data:
        header, _, data = data.partition(b"\r\n\r\n")
        name, _, length = header.partition(b": ")
        assert name == b"Content-Length", header
        assert len(data) >= int(length)
        found.append(json.loads(data[: int(length)]))
        data = data[int(length) :]
    return found
