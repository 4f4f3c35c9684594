"""Messages that a hostile page might send: requests, nearly requests, and bytes."""

from __future__ import annotations

import json
import random
from typing import Any

from vmdbg.web.requests import Move, Pane

WORDS = ("run", "pause", "go", "command", "look", "type", "console", "", "answer", "\0", "ask")
TEXTS = (
    "",
    "0",
    "50%",
    "start",
    "end",
    "rsp",
    "*0",
    "help",
    "x/10i 0",
    '"text"',
    "\ud800",
    "<img src=x>",
    "-1",
    "💣",
)
NUMBERS = (0, 1, -1, 1 << 31, 1 << 64, 1.5, 1e308, None, True, "1", [], {})


def random_message(rng: random.Random) -> bytes:
    message: Any = {"ask": rng.choice(WORDS), "id": rng.choice((*range(8), *NUMBERS))}
    for name in ("move", "pane", "to", "line", "place", "text", "frame"):
        if rng.random() < 0.4:
            values = ([one.value for one in Move], [one.value for one in Pane], TEXTS, NUMBERS)
            message[name] = rng.choice(rng.choice(values)) if rng.random() < 0.95 else "a" * 5000
    data = json.dumps(message).encode()
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        at = rng.randrange(len(data))
        data = data[:at] + bytes((rng.randrange(256),)) * rng.choice((0, 1, 2, 40)) + data[at + 1 :]
    return data
