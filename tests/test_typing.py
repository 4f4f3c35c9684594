"""How much of the code no type is said of: as little as was reached, so that it can only become less."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("vmdbg", "gdbstub", "dapstub", "devices")
MOST_ANY = 28
MOST_SUPPRESSIONS = 22
_SUPPRESSION = re.compile(r"#\s*(type:\s*ignore|noqa)(.*)")
_REASON = re.compile(r"(\[[^]]*\]|: [A-Z]+\d+)(\s+#|\s+-)\s+\S")


def _sources() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def _suppressions() -> list[tuple[str, str]]:
    found = []
    for path, source in _sources():
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            match = _SUPPRESSION.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                found.append((f"{path}:{token.start[0]}", match[2]))
    return found


def test_any_stands_only_where_no_type_can() -> None:
    found = []
    for path, source in _sources():
        names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and node.id == "Any")
        found += [f"{path}:{name.lineno}" for name in names]
    assert len(found) <= MOST_ANY, found


def test_what_checks_find_is_seldom_suppressed() -> None:
    found = _suppressions()
    assert len(found) <= MOST_SUPPRESSIONS, found


def test_each_suppression_says_what_and_why() -> None:
    assert not [place for place, text in _suppressions() if not _REASON.match(text.lstrip())]


def test_no_file_is_left_out_of_the_checks() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "per-file-ignores" not in settings
    assert "ignore_errors" not in settings
