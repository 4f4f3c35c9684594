"""Neither guests nor who speaks to the server can do more than they may."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.vmdbg.web.browser import Browser, browser, served
from tests.vmdbg.web.messages import random_message
from tests.vmdbg.web.page import joined
from vmdbg.web.errors import BadRequestError
from vmdbg.web.requests import parse

BAD = "<img/src=x/onerror=window.hacked=1>"
CONSOLE = (
    f"{BAD}<script>window.hacked=1</script>\r\n"
    "\x1b]8;;javascript:window.hacked=1\x07click\x1b]8;;\x07\x1b]52;c;aGFja2Vk\x07\x1b]0;hacked\x07\r\n"
    "\x1b[38;2;255;0;0mred\x1b[0m \x1b[6n\x1b[c\x9b\xc0\r\n"
)
SOURCE = """
    xor ax, ax
    mov ds, ax
    mov si, words
    mov dx, 3f8h
    mov cx, words_end - words
again:
    lodsb
    out dx, al
    loop again
stay:
    hlt
    jmp stay
words: db {bytes}
words_end:
    times 510 - ($ - $$) db 0
    dw 0aa55h
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


def test_what_a_guest_writes_and_what_its_code_is_called_is_text(chromium: Browser, tmp_path: Path) -> None:
    data = CONSOLE.encode("latin-1")
    code = assemble(SOURCE.format(bytes=", ".join(map(str, data))), bits=16, origin=0x7C00)
    disk, names = tmp_path / "boot.bin", tmp_path / "System.map"
    disk.write_bytes(code)
    names.write_text(f"0000000000007c00 T {BAD}\n0000000000007d00 T end_of_it\n")
    words = (str(disk), "--wait", "--serial", "none", "--no-realtime", "--symbols", str(names))
    with served(*words) as (url, _):
        page = chromium.open(url)
        page.until_stands()
        page.until_text("#assembly", BAD)
        page.do("fill", "#goto", "3000")
        page.do("press", "Enter")
        page.until("vmdbg.console().includes('red')")
        assert BAD in page.evaluate("vmdbg.console().replace(/\\n/g, '')")
        page.do("click", "#tab-log")
        page.until_text("#view-log", "<script>")
        page.do("press", "/")
        for line in ("x/4i 0x7c00", "query console", "symbol 0x7c05"):
            page.do("fill", ".query input", line)
            page.do("press", "Enter")
            page.until(f"document.querySelector('.answer code')?.textContent === {line!r}")
        page.until_text(".answers", BAD)
        page.do("click", "#tab-backtrace")
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.querySelectorAll('.panel img:not(.screen img), .panel script').length") == 0
        assert page.evaluate("[...document.links].filter((one) => !one.href.startsWith(location.origin)).length") == 0
        assert "hacked" not in page.evaluate("document.title")
        assert chromium.said == []


def test_random_messages_to_a_machine_are_answered_refused_or_end_the_page() -> None:
    rng = random.Random(7)
    with served("--wait", "--serial", "none") as (url, process):
        for _ in range(12):
            with joined(url) as page:
                for _ in range(40):
                    data = random_message(rng)
                    try:
                        parse(data)
                    except BadRequestError:
                        continue
                    text = data.decode("utf-8", "replace")
                    if re.search(r"continue|finish", text):
                        continue
                    page.send(text)
                page.ask("pause")
        with joined(url) as page:
            page.ask("pause")
            page.stands()
        assert process.poll() is None


def test_the_server_holds_little_for_ten_pages_that_ask_and_read_nothing() -> None:
    with served("--wait", "--serial", "none", "--no-realtime") as (url, process):
        with joined(url) as page:
            page.go("go", to="3M")
            page.ask("look", pane="code")
        before = resident(process.pid)
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                page = stack.enter_context(joined(url))
                for number in range(400):
                    page.send(f'{{"ask": "look", "id": {number}, "pane": "code"}}')
            other = stack.enter_context(joined(url))
            for _ in range(20):
                other.ask("look", pane="code")
            assert resident(process.pid) - before < 64 << 20


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
def test_ten_million_messages_are_requests_or_refused() -> None:
    rng = random.Random(11)
    known = [random_message(rng) for _ in range(20_000)]
    for _ in range(10_000_000):
        data = bytearray(rng.choice(known))
        data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            parse(bytes(data))
        except BadRequestError:
            continue
