"""What pages in browsers do, a guest could not tell: its digest is that of a guest alone."""

from __future__ import annotations

import json
import random
import re

import pytest

from tests.determinism.test_editors import END, alone
from tests.vmdbg.web.browser import served
from tests.vmdbg.web.page import Page, RefusedError, joined
from vmdbg.web.requests import Move, Pane

LINES = (
    "stepi 50",
    "reverse-stepi 3",
    "goto +5000",
    "goto -2000",
    "bt",
    "ps",
    "query exceptions --limit 3",
    "diff start",
)


def look(page: Page, rng: random.Random) -> None:
    for pane in rng.sample(list(Pane), 3):
        page.ask("look", pane=pane.value, place=rng.choice(("rsp", "rip", "")))
    end = page.state["end"]
    start = rng.randrange(max(1, end))
    page.ask("strip", start=start, end=start + rng.choice((300, 40_000, end)), stretches=rng.choice((1, 64, 900)))
    page.ask(rng.choice(("log", "console", "screen", "notes", "markdown")))


def act(page: Page, rng: random.Random) -> None:
    try:
        match rng.randrange(4):
            case 0:
                page.go("run", move=rng.choice([one for one in Move if one is not Move.CONTINUE]).value)
            case 1:
                page.go("go", to=rng.choice(("+3000", "-3000", "20%", "start", "here")))
            case 2:
                page.ask("command", line=rng.choice(LINES))
            case _:
                page.ask("add note", title="here")
    except RefusedError:
        return


@pytest.mark.parametrize("seed", range(2))
def test_what_pages_do_leaves_the_guest_as_it_would_be_alone(seed: int) -> None:
    rng = random.Random(seed)
    with served("--wait", "--serial", "none", "--no-realtime") as (url, _), joined(url) as one, joined(url) as other:
        one.command("break printk if rax != 77")
        one.go("go", to="300000")
        for _ in range(14):
            page = rng.choice((one, other))
            page.state.clear()
            page.ask("command", line="when")
            page.stands()
            look(page, rng)
            act(page, rng)
        other.state.clear()
        other.ask("command", line="delete")
        other.stands()
        other.go("go", to=str(END))
        found = other.ask("command", line="digest --json")
    text = json.dumps(found)
    hashes = set(re.findall(r"[0-9a-f]{16,}", json.dumps(alone())))
    assert hashes
    assert [one for one in hashes if one not in text] == []
