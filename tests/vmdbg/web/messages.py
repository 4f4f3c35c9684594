"""Messages that a hostile page might send: requests, nearly requests, and bytes."""

from __future__ import annotations

import json
import random
from typing import Any

from vmdbg.web.requests import Move, Pane

TEXTS = ("", "0", "50%", "start", "rsp", "*0", "help", "x/10i 0", '"text"', "\ud800", "<img src=x>", "-1", "\U0001f4a3")
NUMBERS = (0, 1, -1, 1 << 31, 1 << 63, 1 << 64, 1.5, 1e308, None, True, "1", [], {})


def request(rng: random.Random) -> dict[str, Any]:
    """One that is within bounds, or nearly."""
    text, number = rng.choice(TEXTS), rng.randrange(1 << 20)
    parts: dict[str, Any] = rng.choice(
        [
            {"ask": "run", "move": rng.choice([one.value for one in Move])},
            {"ask": "go", "to": text},
            {"ask": "command", "line": text},
            {"ask": "look", "pane": rng.choice([one.value for one in Pane]), "place": text, "frame": rng.randrange(9)},
            {"ask": "type", "text": text},
            {"ask": "press", "chords": [text, "a"]},
            {"ask": "strip", "start": number, "end": number + rng.randrange(1 << 30), "stretches": rng.randrange(2100)},
            {"ask": "draw", "begin": text, "until": text, "address": text},
            {"ask": "add note", "title": text},
            {"ask": "change note", "note": number, "title": text, "text": text},
            {"ask": "delete note", "note": number},
            *({"ask": kind} for kind in ("pause", "console", "log", "lines", "screen", "notes", "markdown", "rm")),
        ]
    )
    return parts | {"id": rng.randrange(1 << 16)}


def random_message(rng: random.Random) -> bytes:
    message = request(rng)
    if rng.random() < 0.3:
        name = rng.choice([*message, "more"])
        message[name] = rng.choice((*NUMBERS, *TEXTS, "a" * 5000))
    data = json.dumps(message).encode()
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        at = rng.randrange(len(data))
        data = data[:at] + bytes((rng.randrange(256),)) * rng.choice((0, 1, 2, 40)) + data[at + 1 :]
    return data
