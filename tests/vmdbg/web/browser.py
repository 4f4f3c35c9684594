"""A real browser for tests: Chromium without a screen, driven by Playwright's core."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.guests.build import REPOSITORY
from vmdbg.web.page_files import BUILT, FOLDER

SECONDS = 60
PLAYWRIGHT = REPOSITORY / "build" / "browser" / "node_modules" / "playwright-core" / "index.mjs"
CHROMIUM = shutil.which("chromium")


def needed() -> None:
    """Skips, and says what is missing."""
    if any(not (FOLDER / name).is_file() for name in BUILT):
        pytest.skip("the page is not built: make web")
    if shutil.which("node") is None or CHROMIUM is None or not PLAYWRIGHT.exists():
        pytest.skip("needs node, chromium and playwright-core: make packages browser")


class Browser:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._open: set[str] = set()
        self.said: list[str] = []
        """Errors of scripts, and requests that led elsewhere."""

    def close(self, name: str) -> None:
        self.ask(name, "close")
        self._open.discard(name)

    def close_all(self) -> None:
        for name in list(self._open):
            self.close(name)
        self.said.clear()

    def ask(self, name: str, method: str, *parts: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"name": name, "method": method, "parts": parts}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], SECONDS)[0], request
        answer = json.loads(self._process.stdout.readline())
        self.said += answer["said"]
        assert "error" not in answer, (request, answer["error"], self.said)
        return answer["result"]

    def open(self, url: str, name: str = "page", **more: object) -> Tab:
        if name in self._open:
            self.close(name)
        self._open.add(name)
        assert self.ask(name, "open", {"name": name, "url": url, **more}) == 200
        return Tab(self, name)


class Tab:
    """One page."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name

    def until(self, condition: str) -> None:
        """A JavaScript expression is true."""
        self._browser.ask(self.name, "until", condition)

    def evaluate(self, expression: str) -> Any:
        return self._browser.ask(self.name, "evaluate", expression)

    def in_frame(self, url: str, expression: str) -> Any:
        """Of the frame whose address has `url` in it; None where there is none."""
        return self._browser.ask(self.name, "frame", url, expression)

    def close(self) -> None:
        self._browser.close(self.name)

    def do(self, method: str, *parts: object) -> None:
        """One of Playwright's, or `press`, `type` and `mouse`."""
        self._browser.ask(self.name, method, *parts)

    def download(self, selector: str) -> tuple[str, str]:
        """The file's name and its text, once that is clicked at."""
        found = self._browser.ask(self.name, "download", selector)
        return found["name"], found["text"]

    def text(self, selector: str) -> str:
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"))

    def until_text(self, selector: str, text: str) -> None:
        self.until(f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})")

    def until_stands(self, *, tick: int | None = None) -> None:
        self.until("['live', 'past'].some(one => document.querySelector('#pill').classList.contains(one))")
        if tick is not None:
            self.until(f"document.querySelector('#tick').textContent.replace(/[^0-9+]/g, '') === '{tick}'")


@contextmanager
def browser() -> Iterator[Browser]:
    needed()
    script = Path(__file__).with_name("browser.mjs")
    command = ["node", str(script), PLAYWRIGHT.as_uri(), str(CHROMIUM)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Browser(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def served(*words: str, command: str = "run") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The URL of `vmdbg COMMAND --web 0 WORDS...`. stderr is read up to it."""
    full = [sys.executable, "-m", "vmdbg", command, *words, "--web", "0"]
    process = subprocess.Popen(full, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield url_of(process), process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def url_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if b"http://" in line:
            return line[line.index(b"http://") :].decode().strip()
    raise AssertionError(f"no URL; it ended with {process.wait()}")
