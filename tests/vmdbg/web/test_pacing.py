"""A guest that idles with nobody at a terminal, but a page that is open or may be opened."""

from __future__ import annotations

import time

from tests.vmdbg.web.browser import served
from tests.vmdbg.web.page import joined

AHEAD_SECONDS = 1.0
"""What a busy guest may be ahead of the host by: the sample's boot takes 0.1 s of guest time."""


def test_idle_time_keeps_to_host_time_before_a_page_comes_while_it_is_there_and_for_what_it_asks() -> None:
    began = time.monotonic()
    with served("--serial", "none") as (url, _):
        with joined(url, stands=False) as page:
            while page.state["seconds"] < 1.5:
                page.take()
            assert page.state["seconds"] < time.monotonic() - began + AHEAD_SECONDS
            page.ask("pause")
            page.stands()
            asked = time.monotonic()
            page.go("command", line="goto +700M")
            assert time.monotonic() - asked > 0.5
        with joined(url) as page:
            page.stands()
            assert page.state["seconds"] < time.monotonic() - began + AHEAD_SECONDS


def test_a_pause_of_a_guest_that_idles_is_not_waited_for() -> None:
    """Nor is anything that is asked while its next timer is far."""
    with served("--serial", "none") as (url, _), joined(url, stands=False) as page:
        while page.state["seconds"] < 0.5:
            page.take()
        spent = []
        for _ in range(8):
            before = time.monotonic()
            page.ask("pause")
            page.stands()
            spent.append(time.monotonic() - before)
            page.ask("run", move="continue")
            page.state.clear()
        assert min(spent) < 0.1
