"""An editor at `vmdbg dap`, or at a machine with --dap: whatever is said, either way, is held to the specification."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.guests.build import REPOSITORY
from tests.vmdbg.dap.specification import check

DEADLINE = 60.0


class RefusedError(Exception):
    """A request that failed, with its words."""


class Editor:
    """`write` and the file `reads` lead to the debugger."""

    def __init__(self, reads: int, write: Callable[[bytes], object]) -> None:
        self._reads = reads
        self._write = write
        self._seq = 0
        self.events: list[tuple[str, Any]] = []
        self.output = ""
        self._answers: dict[int, Any] = {}
        self._buffer = b""
        self.process: subprocess.Popen[bytes] | None = None
        """The debugger's own, if it was started for this editor."""
        self.port: int | None = None
        """Where the debugger listens."""

    def ask(self, command: str, **arguments: object) -> Any:
        """The answer's body. Raises RefusedError."""
        return self.answer(self.send(command, **arguments))

    def send(self, command: str, **arguments: object) -> int:
        """Its number, by which answer() waits for what comes of it."""
        self._seq += 1
        message = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        check(f"{command}Request", message)
        body = json.dumps(message).encode()
        self._write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self._seq

    def answer(self, number: int) -> Any:
        self._until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if not answer["success"]:
            raise RefusedError(answer["body"]["error"]["variables"]["words"])
        return answer["body"]

    def event(self, name: str) -> Any:
        """The first of that name that was not taken yet."""
        self._until(lambda: any(one == name for one, _ in self.events))
        index = next(index for index, (one, _) in enumerate(self.events) if one == name)
        return self.events.pop(index)[1]

    def stopped(self) -> Any:
        return self.event("stopped")

    def until_output(self, text: str) -> None:
        self._until(lambda: text in self.output)

    def closed(self) -> None:
        """The other end has closed."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if select.select([self._reads], [], [], 1)[0] and not os.read(self._reads, 1 << 16):
                return
        raise AssertionError("the other end stays open")

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, (self.events, self.output[-500:])
            if not select.select([self._reads], [], [], 1)[0]:
                continue
            data = os.read(self._reads, 1 << 16)
            assert data, ("the other end has closed", self.events, self.output[-500:])
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            header, _, rest = self._buffer.partition(b"\r\n\r\n")
            size = int(header.rpartition(b":")[2])
            if len(rest) < size:
                return
            message, self._buffer = json.loads(rest[:size]), rest[size:]
            self._one(message)

    def _one(self, message: dict[str, Any]) -> None:
        if message["type"] == "response":
            check(f"{message['command']}Response" if message["success"] else "errorResponse", message)
            self._answers[message["request_seq"]] = message
            return
        check(f"{message['event']}Event", message)
        if message["event"] == "output":
            self.output += message["body"]["output"]
        else:
            self.events.append((message["event"], message["body"]))

    # what editors do

    def begin(self, *, request: str = "launch", **arguments: object) -> None:
        abilities = {f"supports{one}": True for one in ("ProgressReporting", "MemoryEvent", "InvalidatedEvent")}
        self.ask("initialize", adapterID="vmdbg", clientID="tests", **abilities)
        self.ask(request, **arguments)
        self.event("initialized")

    def top(self, thread: int = 1) -> Any:
        """The innermost frame."""
        return self.ask("stackTrace", threadId=thread, levels=1)["stackFrames"][0]

    def at(self) -> str:
        """`file:line` of it."""
        frame = self.top()
        return f"{frame['source']['name']}:{frame['line']}" if "source" in frame else frame["name"]

    def variables(self, scope: str, frame: int | None = None) -> dict[str, Any]:
        """Of a scope of the innermost frame, by name."""
        number = frame if frame is not None else self.top()["id"]
        found = next(one for one in self.ask("scopes", frameId=number)["scopes"] if one["name"] == scope)
        return self.inside(found["variablesReference"])

    def inside(self, reference: int) -> dict[str, Any]:
        return {one["name"]: one for one in self.ask("variables", variablesReference=reference)["variables"]}

    def command(self, line: str) -> str:
        """In the debug console."""
        return str(self.ask("evaluate", expression=line, context="repl")["result"])

    def go(self, command: str, **arguments: object) -> Any:
        """Let the guest run; the stop that comes."""
        self.ask(command, threadId=arguments.pop("threadId", 1), **arguments)
        return self.stopped()


@contextmanager
def own_debugger(directory: Path | None = None) -> Iterator[Editor]:
    """`vmdbg dap`, as editors start it: in the folder that they have open."""
    command = [sys.executable, "-m", "vmdbg", "dap"]
    pipe, path = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=directory, env=path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        writes = process.stdin.fileno()
        editor = Editor(process.stdout.fileno(), lambda data: _write_all(writes, data))
        editor.process = process
        try:
            yield editor
        finally:
            process.kill()


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


@contextmanager
def served(*options: str, front: Sequence[str] = ("run",)) -> Iterator[tuple[Editor, subprocess.Popen[bytes]]]:
    """`vmdbg run --dap`, and an editor that comes to it."""
    command = [sys.executable, "-m", "vmdbg", *front, "--dap", "0", *options]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            port = _port(process)
            with attached(port) as editor:
                editor.port = port
                yield editor, process
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if b"ready for editors" in line:
            return int(line.rpartition(b":")[2])
    raise AssertionError("it does not say where it listens")


@contextmanager
def attached(port: int) -> Iterator[Editor]:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
        yield Editor(client.fileno(), client.sendall)
