"""What may come next in the debug console: commands, registers, names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dapstub import requests, values
from vmdbg.session.session import Session

MOST_SYMBOLS = 100
_WORD = re.compile(r"[$]?[A-Za-z_.][\w.]*$|[$]$")


def completions(session: Session, request: requests.Completions) -> Sequence[values.Completion]:
    """For what stands before the cursor."""
    before = _before(request)
    line = before.lstrip()
    if " " not in line:
        start = len(before) - len(line)
        return [
            values.Completion(name, start, len(line), type="function")
            for name in session.registry.names()
            if name.startswith(line)
        ]
    found = _WORD.search(before)
    if found is None:
        return []
    typed = found.group()
    return [
        values.Completion(name, _units(before[: found.start()]), _units(typed), type=kind)
        for name, kind in _names(session, typed)
    ]


def _names(session: Session, typed: str) -> Iterator[tuple[str, str]]:
    bare = typed.lstrip("$")
    prefix = typed[: len(typed) - len(bare)]
    for name in sorted({name for name in session.scope.names() if name.startswith(bare)}):
        yield prefix + name, "variable"
    if not prefix and len(bare) > 1:
        for name in session.symbols.matching(bare, MOST_SYMBOLS):
            yield name, "function"


def _before(request: requests.Completions) -> str:
    """Columns count UTF-16 code units, from 1."""
    return request.text.encode("utf-16-le")[: max(0, 2 * (request.column - 1))].decode("utf-16-le", "replace")


def _units(words: str) -> int:
    return len(words.encode("utf-16-le")) // 2
