"""What pages say is parsed whole or refused, whatever it is."""

from __future__ import annotations

import json
import random

import pytest

from tests.vmdbg.web.messages import random_message
from vmdbg.web.errors import BadRequestError
from vmdbg.web.requests import Go, Look, Pane, Request, Run, parse


def test_what_is_asked_is_a_value() -> None:
    assert parse('{"ask": "go", "id": 3, "to": "50%"}') == Go(3, "50%")
    assert parse(b'{"ask": "look", "id": 3, "pane": "memory", "place": "rsp"}') == Look(3, Pane.MEMORY, "rsp")


@pytest.mark.parametrize(
    "message",
    [
        {"ask": "run", "id": 1, "move": "reboot"},
        {"ask": "run", "id": -1, "move": "next"},
        {"ask": "run", "id": 1 << 31, "move": "next"},
        {"ask": "run", "id": 1, "move": "next", "more": 1},
        {"ask": "go", "id": 1, "to": "x" * 513},
        {"ask": "command", "id": 1, "line": "x" * 4097},
        {"ask": "look", "id": 1, "pane": "code", "frame": -1},
        {"ask": "look", "id": 1.5, "pane": "code"},
        {"id": 1},
        [],
        None,
    ],
)
def test_what_is_out_of_bounds_is_refused(message: object) -> None:
    with pytest.raises(BadRequestError):
        parse(json.dumps(message))


def test_random_messages_are_requests_or_refused() -> None:
    rng = random.Random(1)
    kinds: set[type[Request]] = set()
    for _ in range(20_000):
        try:
            kinds.add(type(parse(random_message(rng))))
        except BadRequestError:
            continue
    assert Run in kinds
    assert len(kinds) > 4
