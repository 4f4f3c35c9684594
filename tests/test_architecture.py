"""docs/architecture.md is true to the code, and imports go round in no circle that it does not know."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Set

import grimp

from tests.guests.build import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
ROOTS = ("vmdbg", "devices", "gdbstub", "dapstub")
MUTUAL = ("vmdbg.os.linux",)  # data structures that point to each other
"""Rooms in which two modules may know each other."""


def test_the_rooms_are_those_that_import_linter_holds() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one.get("exhaustive"))
    held = [name for layer in layers for name in layer.split(" | ")]
    rows = [re.findall(r"`vmdbg/(\w+)`", line.split("|")[1]) for line in PAGE.splitlines() if line.startswith("| `")]
    shown = [name for row in rows for name in row]
    assert sorted(shown) == sorted([*held, "os"])
    order = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    numbers = [order[name] for name in shown if name != "os"]
    assert numbers == sorted(numbers), "from the front ends down"


def test_what_the_page_names_is_there() -> None:
    paths = [REPOSITORY / word for word in re.findall(r"`([\w/]+/[\w.]*)`", PAGE)]
    assert [path for path in paths if not path.exists() and not path.with_suffix(".py").exists()] == []
    sources = "\n".join(path.read_text() for root in ROOTS for path in (REPOSITORY / root).rglob("*.py"))
    for word in re.findall(r"`([A-Z]\w*(?:\.\w+)?)(?:\(\))?`", PAGE):
        name, _, method = word.partition(".")
        assert re.search(rf"^(class {name}\b|{name} = )", sources, re.MULTILINE), word
        assert not method or re.search(rf"^    def {method}\(", sources, re.MULTILINE), word


def test_imports_go_round_only_where_data_is_mutual() -> None:
    """Those for type checking too."""
    graph = grimp.build_graph(*ROOTS)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    for circle in _circles(imports):
        assert any(all(module.startswith(room) for module in circle) for room in MUTUAL), sorted(circle)


def _circles(imports: Mapping[str, Set[str]]) -> Iterator[set[str]]:
    """Tarjan's strongly connected components of more than one module."""
    sys.setrecursionlimit(10_000)
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(module: str) -> Iterator[set[str]]:
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in sorted(imports[module]):
            if other not in number:
                yield from visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            circle = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(circle) > 1:
                yield circle

    for module in sorted(imports):
        if module not in number:
            yield from visit(module)
