"""The page in a real browser, beside gdb and the prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.vmdbg.web.browser import Browser, browser, served

STAND = ("--wait", "--no-realtime", "--serial", "none")


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def chromium(started: Browser) -> Iterator[Browser]:
    yield started
    started.close_all()


def test_a_page_lets_the_guest_run_steps_and_goes_back(chromium: Browser) -> None:
    with served(*STAND) as (url, _):
        page = chromium.open(url)
        page.until_stands()
        page.do("fill", "#goto", "600000")
        page.do("press", "Enter")
        page.until_text("#function", "next_table")
        page.until_text("#file", "paging.c")
        page.do("press", "i")
        page.until_stands(tick=600004)
        page.do("press", "I")
        page.until_stands(tick=600002)
        page.do("click", "#tab-backtrace")
        page.until_text("#view-backtrace", "make_entry")
        page.do("click", "#source .row.here .gutter")
        page.until("document.querySelector('#source .gutter.stop')")
        page.do("press", "C")
        page.until_text("#reason", "breakpoint 1")
        page.do("click", "#source .gutter.stop")
        page.until("!document.querySelector('#source .gutter.stop')")
        page.do("press", "C")
        page.until_text("#reason", "the history starts here")
        assert chromium.said == []


def test_a_stop_of_the_page_is_one_of_gdb_and_either_may_leave(chromium: Browser, tmp_path: Path) -> None:
    place = tmp_path / "gdb"
    with served(*STAND, "--gdb", f"unix:{place}") as (url, process):
        one, other = chromium.open(url, "one"), chromium.open(url, "other")
        one.until_stands()
        other.until_stands()
        one.do("press", "i")
        one.until_text("#reason", "moved by web")
        other.until_text("#reason", "moved by web")
        one.until_stands()
        other.until_text("#tick", one.text("#tick"))
        commands = ["-ex", f"target remote {place}", "-ex", "stepi", "-ex", "monitor goto 400000", "-ex", "detach"]
        gdb = [*debian_gdb(), "-q", "-nx", "-batch", *commands]
        said = subprocess.run(gdb, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert said.returncode == 0, said.stdout
        one.until_text("#reason", "moved by gdb")
        other.close()
        one.do("press", "i")
        one.until_text("#reason", "moved by web")
        assert process.poll() is None


def test_keys_reach_a_live_guest_and_not_the_past(chromium: Browser) -> None:
    with served("--no-realtime", "--serial", "none") as (url, _):
        page = chromium.open(url)
        page.until("vmdbg.console().includes('> ')")
        page.do("click", "#view-console")
        page.do("type", "help\r")
        page.until("vmdbg.console().split('help').length > 1")
        page.do("click", "#pause")
        page.until_stands()
        page.do("fill", "#goto", "600000")
        page.do("press", "Enter")
        page.until_stands(tick=600002)
        page.until("!vmdbg.console().includes('> ') && vmdbg.console().includes('sample kernel')")
        page.do("click", "#view-console")
        page.do("type", "x")
        page.until_text("#toast", "this is the past")


WATCHED = """(() => {
  window.emptied = 0;
  const watch = new MessageChannel();
  watch.port1.onmessage = () => {
    if (!vmdbg.console().trim()) window.emptied += 1;
    watch.port2.postMessage(0);
  };
  watch.port2.postMessage(0);
})()"""


def test_the_console_of_another_instant_replaces_the_one_that_is_seen_at_once(chromium: Browser) -> None:
    with served(*STAND) as (url, _):
        page = chromium.open(url)
        page.until_stands()
        page.do("fill", "#goto", "600000")
        page.do("press", "Enter")
        page.until("vmdbg.console().includes('sample kernel')")
        page.until_stands(tick=600002)
        page.do("press", "Escape")
        page.evaluate(WATCHED)
        said = page.evaluate("vmdbg.console().trim()")
        for _ in range(5):
            before = page.text("#tick")
            page.do("press", "i")
            page.until(f"document.querySelector('#tick').textContent !== {before!r}")
            page.until_stands()
        assert page.evaluate("vmdbg.link.ask('console').then(() => vmdbg.console().trim())") == said
        assert page.evaluate("window.emptied") == 0


def test_a_page_is_read_on_a_phone_without_scrolling_sideways(chromium: Browser) -> None:
    with served(*STAND) as (url, _):
        page = chromium.open(url, "phone", width=390, height=800)
        page.until_stands()
        page.until("document.querySelector('#assembly .here')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_timeline_is_zoomed_scrubbed_and_clicked_at_and_rows_lead_to_their_instants(chromium: Browser) -> None:
    with served(*STAND) as (url, _):
        page = chromium.open(url)
        page.until_stands()
        page.do("fill", "#goto", "40M")
        page.do("press", "Enter")
        page.until_stands(tick=40000004)
        page.until("vmdbg.timeline.known.counts.exceptions?.some(n => n) && vmdbg.timeline.known.until >= 39000000")
        page.do("click", ".timeline canvas", {"position": {"x": 700, "y": 85}})
        page.until("document.querySelector('#pill').classList.contains('past')")
        middle = int(page.evaluate("document.querySelector('#tick').textContent.replace(/[^0-9].*/g, '')") or 0)
        assert middle < 40_000_000
        page.do("press", "0")
        for _ in range(5):
            page.do("mouse", "move", 640, 150)
            page.do("mouse", "wheel", 0, -1200)
        page.until("vmdbg.timeline.view.end - vmdbg.timeline.view.start < 100000")
        page.do("press", "0")
        page.do("click", "#tab-log")
        page.do("click", "text=user: 2262 primes below 20000")
        page.until_text("#view-log .here", "primes")
        page.do("press", "/")
        page.do("type", "query exceptions --limit 5")
        page.do("press", "Enter")
        page.until("document.querySelectorAll('.answer tr.instant').length === 5")
        position = page.text(".answer tr.instant:nth-child(2) td")
        page.do("click", ".answer tr.instant:nth-child(2)")
        page.until(f"location.hash === '#t={position}'")
        page.do("click", ".plots .small")
        page.until("document.querySelector('.chart .dot')")
        page.do("evaluate", "vmdbg.timeline.zoom(0.0000001)")
        page.until("vmdbg.timeline.known.steps.length > 3")
        assert chromium.said == []


def test_a_notebook_keeps_instants_beside_the_recording_and_compares_them(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "boot.rec"
    words = ["-m", "vmdbg", "record", str(path), "--serial", "none", "--no-realtime", "--stop-at", "4000000"]
    subprocess.run([sys.executable, *words], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    with served(str(path), "--quiet", command="replay") as (url, _):
        page = chromium.open(url)
        page.until_stands(tick=0)
        for tick, words in (("600000", "tables"), ("3000000", "<b>forms</b>")):
            page.do("fill", "#goto", tick)
            page.do("press", "Enter")
            page.until(f"document.querySelector('#tick').textContent.replace(/[^0-9]/g, '') >= {tick}")
            page.until_stands()
            page.do("press", "m")
            page.do("type", words)
            page.do("press", "Enter")
            page.until_text("#view-notes", words)
            page.do("evaluate", "document.activeElement.blur()")
        page.do("check", ".note:first-child input")
        page.do("check", ".note:nth-child(2) input")
        name, text = page.download("text=Markdown")
        assert name == "notes.md"
        assert text.startswith("# Notes on boot.rec")
        assert "tables" in text
        assert "600002" in text
        page.do("click", "text=what differs")
        page.until_text(".result", "pieces of RAM differ")
        page.do("click", ".note:first-child .link")
        page.until_stands(tick=600002)
        page.until_text("#view-notes", "boot.rec.notes.json")
        page.do("fill", ".note:first-child textarea", "the *first*")
        page.do("press", "Tab")
        page.until("vmdbg.link.ask('notes').then((answer) => answer.notes[0].text === 'the *first*')")
    assert len(json.loads((tmp_path / "boot.rec.notes.json").read_text())["notes"]) == 2
    with served(str(path), "--quiet", command="replay") as (url, _):
        page = chromium.open(f"{url}#t=600002", "colleague")
        page.until_stands(tick=600002)
        page.do("click", "#tab-notes")
        page.until("document.querySelector('.note textarea')?.value === 'the *first*'")
        page.until_text(".note:nth-child(2) .link", "<b>forms</b>")
    assert [one for one in chromium.said if "WebSocket" not in one] == []


def test_how_cpus_interleaved_between_two_instants_is_drawn(chromium: Browser) -> None:
    with served(*STAND, "--cpus", "2", "--schedule", "random:11,most=90k") as (url, _):
        page = chromium.open(url)
        page.until_stands()
        for tick in (22_000_000, 23_000_000):
            page.do("fill", "#goto", str(tick))
            page.do("press", "Enter")
            page.until(f"document.querySelector('#tick').textContent.replace(/[^0-9]/g, '') >= {tick}")
            page.until_stands()
            page.do("press", "m")
            page.do("type", f"at {tick}")
            page.do("press", "Enter")
            page.until_text("#view-notes", f"at {tick}")
            page.do("evaluate", "document.activeElement.blur()")
        page.do("check", ".note:first-child input")
        page.do("check", ".note:nth-child(2) input")
        page.do("click", "text=interleaving of CPUs")
        page.until("document.querySelector('.drawing')?.naturalWidth > 100")
        assert chromium.said == []


def test_lines_that_ran_in_this_call_are_marked(chromium: Browser) -> None:
    with served(*STAND) as (url, _):
        page = chromium.open(url)
        page.until_stands()
        page.do("fill", "#goto", "600000")
        page.do("press", "Enter")
        page.until_stands(tick=600002)
        page.do("press", "n")
        page.until("document.querySelector('#source .here')?.dataset.line === '24'")
        page.do("press", "n")
        page.until("document.querySelector('#source .here')?.dataset.line > 24")
        page.do("press", "r")
        page.until("document.querySelectorAll('#source .ran').length > 1")
        marked = page.evaluate("[...document.querySelectorAll('#source .ran')].map((one) => Number(one.dataset.line))")
        assert {23, 24} <= set(marked) <= {23, 24, 25, 26}
        assert chromium.said == []
