"""docs/clients.md says what the tests hold, and nothing else."""

from __future__ import annotations

import ast

import pytest

from tests.docs.clients_table import CLIENTS, OPERATIONS, PAGE, _of_file, cells, with_table
from tests.guests.build import REPOSITORY


def test_the_page_has_the_table_of_the_tests() -> None:
    page = PAGE.read_text()
    assert page == with_table(page), "run python -m tests.docs.clients_table"


def test_every_row_and_every_column_has_a_test() -> None:
    found = cells()
    assert {cell.operation for cell in found} == set(OPERATIONS)
    assert {cell.client for cell in found} == set(CLIENTS)


def test_every_mark_is_on_a_test() -> None:
    """One on a helper or inside a class would be no cell."""
    paths = [path for path in (REPOSITORY / "tests").rglob("*.py") if path.parent.name != "docs"]
    marks = sum(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.cell"
        for path in paths
        if "mark.cell(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
    )
    assert marks == len({(cell.test, cell.operation, cell.says) for cell in cells()})


@pytest.mark.parametrize("mark", ["'no such row'", "'backwards', 'no such client'", "'backwards'"])
def test_a_mark_beside_the_table_is_refused(mark: str) -> None:
    text = f"@pytest.mark.cell({mark})\ndef test_something():\n    pass\n"
    with pytest.raises(ValueError, match=r"docs/clients\.md"):
        list(_of_file(REPOSITORY / "tests" / "test_x.py", text))
