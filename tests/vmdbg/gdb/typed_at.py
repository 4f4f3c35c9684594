"""A real gdb that is typed at line by line, and answers before the next."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TIMEOUT = 60.0


class Gdb:
    def __init__(self, program: Sequence[str], file: Path, address: str) -> None:
        self.process = subprocess.Popen(
            [*program, "-nx", "-q", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._number = 0
        self._said = ""
        for line in ("set pagination off", "set confirm off", "set style enabled off", f"target remote {address}"):
            self.line(line)

    def type(self, line: str) -> int:
        """Its answer ends with the number's echo."""
        assert self.process.stdin is not None
        self._number += 1
        self.process.stdin.write(f"{line}\necho <{self._number}>\\n\n".encode())
        self.process.stdin.flush()
        return self._number

    def answer(self, number: int) -> str:
        assert self.process.stdout is not None
        deadline, end = time.monotonic() + TIMEOUT, f"<{number}>\n"
        while end not in self._said:
            left = deadline - time.monotonic()
            assert left > 0, self._said
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 1 << 16)
                assert data, self._said
                self._said += data.decode(errors="replace")
        said, _, self._said = self._said.partition(end)
        return said

    def line(self, line: str) -> str:
        return self.answer(self.type(line))

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def quit(self) -> None:
        self.type("quit")
        self.process.communicate(timeout=TIMEOUT)

    def kill(self) -> None:
        """It dies, and says nothing to the guest's server."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
