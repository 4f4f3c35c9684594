"""Runs the sessions that a tutorial shows, with a real gdb, and holds their output to the page."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.guests.build import REPOSITORY
from tests.tutorials.transcript import GDB, Command, commands, difference
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment

TUTORIALS = REPOSITORY / "samples" / "tutorials"
TIMEOUT = 500.0
PORT = "1234"
"""The port of the pages; the tests take a free one."""
PREAMBLE = ("set pagination off", "set confirm off")
"""What scripts begin with and a user at the terminal need not type."""
_MARK = "@@@ the next command @@@"
_LISTENING = re.compile(r"target remote (?:\S*:)?(\d+)\n")


@dataclass(slots=True)
class Page:
    """A tutorial. `directory` is where its shell commands run; `files` are the real paths of files that it names."""

    path: Path
    directory: Path
    gdb: Sequence[str]
    files: Mapping[str, Path] = field(default_factory=dict)

    def run(self) -> None:
        """Carry out everything that the page shows, in order. Fails where the output differs."""
        todo = commands(self.path)
        while todo:
            command = todo.pop(0)
            words = shlex.split(command.text)
            if words[0] != "vmdbg":
                raise AssertionError(f"{self._where(command)}: a test does not know how to run this")
            if "--gdb" not in words:
                self._check(command, self._finished(words))
                continue
            attach = todo.pop(0)
            session = []
            while todo and todo[0].prompt == GDB:
                session.append(todo.pop(0))
            self._debug(command, attach, session)

    def _finished(self, words: list[str]) -> str:
        done = subprocess.run(
            self._real(words),
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return done.stdout

    def _real(self, words: list[str]) -> list[str]:
        real = [str(self.files.get(word, "0" if word == PORT else word)) for word in words]
        return [*COMMAND, *real[1:]] if words[0] == "vmdbg" else real

    def _debug(self, serve: Command, attach: Command, session: list[Command]) -> None:
        with self._server(serve) as port:
            words = shlex.split(attach.text)
            assert words[0] == "gdb", f"{self._where(attach)}: {attach.text} is not how gdb is started"
            self.debug([self._gdb_file(word) for word in words[1:]], port, session)

    def debug(self, arguments: list[str], port: str, session: Sequence[Command], aside: Mapping[int, str] = {}) -> None:
        """Carry out gdb's part of the page. `aside` has commands that the page does not show, by what they precede."""
        lines = [aside.get(number, "") + command.text for number, command in enumerate(session)]
        for command, output in zip(session, self._gdb(arguments, port, lines), strict=True):
            self._check(command, output)

    @contextmanager
    def _server(self, serve: Command) -> Iterator[str]:
        """vmdbg serving gdb; the port."""
        process = subprocess.Popen(
            self._real(shlex.split(serve.text)),
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = _LISTENING.search(line)
            assert found is not None, line + process.stderr.read()
            self._check(serve, line.replace(found[1], PORT))
            yield found[1]
        finally:
            process.kill()
            process.communicate(timeout=TIMEOUT)

    def _gdb_file(self, word: str) -> str:
        """Of gdb's arguments, which it reads in the top directory."""
        made = self.directory / word
        return str(self.files.get(word, made if made.exists() else word))

    def _gdb(self, arguments: list[str], port: str, lines: list[str]) -> list[str]:
        """What gdb answers to each line."""
        script = self.directory / "session.gdb"
        parts = [*PREAMBLE]
        for line in lines:
            parts += [f"echo {_MARK}\\n", line.replace(f":{PORT}", f":{port}")]
        script.write_text("\n".join(parts) + "\n")
        done = subprocess.run(
            [*self.gdb, "-nx", "-q", "-batch", "-ex", "set style enabled off", "-x", str(script), *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
        said = done.stdout.split(f"{_MARK}\n")[1:]
        if said:
            said[-1] = re.sub(r"\[Inferior 1 \(.*\) detached\]\n\Z", "", said[-1])
        assert len(said) == len(lines), f"gdb stopped at {lines[len(said) - 1]!r}:\n{done.stdout}"
        return said

    def _check(self, command: Command, said: str) -> None:
        found = difference(command.output, said)
        assert found is None, f"{self._where(command)}: {command.prompt}{command.text}\n{found}"

    def _where(self, command: Command) -> str:
        return f"{self.path.name}:{command.line}"


def script_lines(path: Path) -> list[str]:
    """The commands of a gdb script, without comments and without what only scripts need."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#") and line not in PREAMBLE]
