"""Every command that README, the guides and the tutorials show is one that vmdbg understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from vmdbg.cli.main import parser
from vmdbg.commands import catalog
from vmdbg.session.arguments import parse_arguments

PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "samples").rglob("*.md")),
]
_SHELL = re.compile(
    r"^(?: {4}|\$ | {4}\$ )(?:printf .* \| )?"
    r"(vmdbg (?:run|record|replay|query|save|film|script|symbols|devices|doctor)\b.*)$",
    re.MULTILINE,
)
_DEBUGGER = re.compile(r"^ {0,4}(?:\(gdb\) monitor|\(vmdbg\)|vmdbg>) (\S.*)$", re.MULTILINE)
_CARRIED_OUT = re.compile(r"^```vmdbg\n.*?^```$", re.MULTILINE | re.DOTALL)
"""Sessions that a test of their own carries out, mistakes included."""
_PLACEHOLDER = re.compile(r"\[|\.\.\.|\b[A-Z]{4,}\b")
"""What shows the form of a command, rather than a command."""


def shown(pattern: re.Pattern[str], page: Path) -> Iterator[str]:
    for found in pattern.finditer(_CARRIED_OUT.sub("", page.read_text())):
        line = re.sub(r"\s\s+\S.*", "", found[1]).rstrip()
        if not _PLACEHOLDER.search(line):
            yield line


def cases(pattern: re.Pattern[str]) -> list[object]:
    return [
        pytest.param(line, id=f"{page.relative_to(REPOSITORY)}: {line}")
        for page in PAGES
        for line in dict.fromkeys(shown(pattern, page))
    ]


@pytest.mark.parametrize("line", cases(_SHELL))
def test_the_shell_command_is_understood(line: str) -> None:
    words = shlex.split(line)
    end = min([len(words), *(words.index(mark) for mark in (">", "|", "&") if mark in words)])
    assert parser().parse_args(words[1:end])


@pytest.mark.parametrize("line", cases(_DEBUGGER))
def test_the_debugger_command_is_understood(line: str) -> None:
    command, rest = catalog.commands().split(line)
    parse_arguments(command, rest, command.parser())
