"""A guest's COM1 as somebody at it has it: what was said is waited for, and only then is the next line typed."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

TIMEOUT = 900.0


class SilentGuestError(Exception):
    """It has ended, or said for long not what was waited for."""


class Terminal:
    """At the socket `path`, where `process` listens or will."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._seen = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(1.0)
        until = time.monotonic() + TIMEOUT
        while self._socket.connect_ex(str(path)):
            self._check(until)
            time.sleep(0.01)

    def _check(self, until: float) -> None:
        if self._process.poll() is not None or time.monotonic() > until:
            raise SilentGuestError(f"the guest said no more after {self._seen[-300:]!r}")

    def wait(self, pattern: bytes) -> re.Match[bytes]:
        """Until the guest has said so, after what was waited for before. Raises SilentGuestError."""
        until = time.monotonic() + TIMEOUT
        while (found := re.search(pattern, self._seen)) is None:
            self._check(until)
            try:
                self._seen += self._socket.recv(4096)
            except TimeoutError:
                continue
        self._seen = self._seen[found.end() :]
        return found

    def type(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\r")

    def log_in(self) -> None:
        """As root at the Debian disk's prompt, from its boot on."""
        for question, answer in ((rb"login: ", "root"), (rb"Password: ", "root")):
            self.wait(question)
            self.type(answer)
        self.wait(rb"# ")

    def close(self) -> None:
        self._socket.close()
