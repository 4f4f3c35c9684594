"""Terminal sessions in Markdown: which commands they show, and whether what a program said is what they show.

A session is a ```console block. `$ ` begins a shell command and `(gdb) ` one of gdb's; what follows is its output,
in which `...` stands for anything on the line, and alone on a line for any lines. Addresses may differ: a number in
hexadecimal stands for any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHELL, GDB = "$ ", "(gdb) "
ANY_LINES = "..."

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"0x[0-9a-f]{4,}|\b[0-9a-f]{16}\b")
_SLACK = re.compile(r"\.\.\.|" + _ADDRESS.pattern)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is shown, without its prompt, and the lines of its output."""

    prompt: str
    text: str
    output: tuple[str, ...]
    line: int
    """Where it is in the file."""


def commands(path: Path) -> list[Command]:
    """Those that a Markdown file shows, in order."""
    return list(_commands(path.read_text()))


def _commands(text: str) -> Iterator[Command]:
    for block in _BLOCK.finditer(text):
        number = text.count("\n", 0, block.start(1)) + 1
        current: tuple[str, str, int] | None = None
        output: list[str] = []
        for offset, line in enumerate(block[1].splitlines()):
            prompt = next((prompt for prompt in (SHELL, GDB) if line.startswith(prompt)), None)
            if prompt is None:
                assert current is not None, f"line {number + offset}: output before the first command"
                output.append(line)
                continue
            if current is not None:
                yield Command(current[0], current[1], tuple(output), current[2])
            current, output = (prompt, line.removeprefix(prompt), number + offset), []
        if current is not None:
            yield Command(current[0], current[1], tuple(output), current[2])


def difference(expected: Sequence[str], said: str) -> str | None:
    """What the output `said` lacks of what is expected, or None. Empty lines do not count."""
    wanted = [line for line in expected if line.strip()]
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return None if _agree(wanted, lines) else "\n".join(["expected:", *wanted, "", "got:", *lines])


def _agree(wanted: list[str], lines: list[str]) -> bool:
    """Whether all of `lines` is accounted for."""
    if not wanted:
        return not lines
    if wanted[0].strip() == ANY_LINES:
        return any(_agree(wanted[1:], lines[skipped:]) for skipped in range(len(lines) + 1))
    return bool(lines) and _is(wanted[0], lines[0]) and _agree(wanted[1:], lines[1:])


def _is(wanted: str, line: str) -> bool:
    return re.fullmatch(_pattern(wanted), line) is not None


def _pattern(wanted: str) -> str:
    pattern, end = "", 0
    for slack in _SLACK.finditer(wanted.rstrip()):
        pattern += re.escape(wanted[end : slack.start()])
        pattern += ".*" if slack[0] == ANY_LINES else f"(?:{_ADDRESS.pattern})"
        end = slack.end()
    return pattern + re.escape(wanted[end:].rstrip())
