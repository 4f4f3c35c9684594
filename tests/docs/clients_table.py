"""The table of docs/clients.md, made from the tests: `@pytest.mark.cell(operation)` on a test fills the cells of the
clients that it runs.

The clients are those of the fixtures `gdb_client` and `lldb_client`, or those that the mark names:
`@pytest.mark.cell("tasks", "drgn")`. `says=` puts other words than "yes" in the cell. A new client or operation is
added below, then `python -m tests.docs.clients_table` writes the page anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "clients.md"
BEGIN, END = "<!-- table: made from the tests, see tests/docs/clients_table.py -->", "<!-- end of the table -->"
UNTESTED = ""
"""What a cell without a test holds."""

CLIENTS = ("gdb 13", "gdb 18", "LLDB", "pwndbg", "bata24/gef", "drgn", "crash", "volatility3")
"""The columns."""

OF_FIXTURES = {"gdb_client": ("gdb 13", "gdb 18"), "lldb_client": ("LLDB",)}

OPERATIONS = (
    "attach at the first instruction",
    "source lines, backtrace, finish",
    "steps into ring 3 and out",
    "conditions evaluated in vmdbg",
    "conditions that the client evaluates",
    "print without a stop",
    "tracepoints",
    "watchpoints",
    "registers and memory written",
    "system registers",
    "a function called by hand",
    "a function called in a condition",
    "real mode and mode switches",
    "32-bit kernels",
    "exceptions and events caught",
    "system calls caught",
    "backwards",
    "back from the end of the guest",
    "go to an instant by name",
    "find and compare memory",
    "find over the whole address space",
    "physical memory",
    "a kernel without symbols: tasks, slabs, log",
    "a kernel with its debug information: slabs, maps, context",
    "opens a core of any instant",
    "opens the compressed form of a core",
    "tasks, log and counters of any instant",
    "the stack of the running task",
    "run again",
    "detach, and the guest runs on",
    "leaves no trace in the guest",
)
"""The rows, in the page's order."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one test says of one client's operation. `test` is its path from the repository, `::` and its name."""

    operation: str
    client: str
    says: str
    test: str


def cells() -> list[Cell]:
    """All marks in the tests. Raises ValueError for one that names no row or no column."""
    paths = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    return [cell for path in paths if "mark.cell(" in (text := path.read_text()) for cell in _of_file(path, text)]


def _of_file(path: Path, text: str) -> Iterator[Cell]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.cell":
                    yield from _of_mark(decorator, node, f"{path.relative_to(REPOSITORY)}::{node.name}")


def _of_mark(mark: ast.Call, function: ast.FunctionDef, test: str) -> Iterator[Cell]:
    operation, *named = (str(ast.literal_eval(argument)) for argument in mark.args)
    says = next((str(ast.literal_eval(keyword.value)) for keyword in mark.keywords if keyword.arg == "says"), "yes")
    fixtures = [argument.arg for argument in function.args.args if argument.arg in OF_FIXTURES]
    clients = named or [client for fixture in fixtures for client in OF_FIXTURES[fixture]]
    if operation not in OPERATIONS or not clients or not set(clients) <= set(CLIENTS):
        raise ValueError(f"{test}: {operation!r} for {clients} is no cell of docs/clients.md: see {__name__}")
    for client in clients:
        yield Cell(operation, client, says, test)


def table() -> str:
    """In Markdown. Raises ValueError where two tests disagree about a cell."""
    found: dict[tuple[str, str], str] = {}
    for cell in cells():
        place = cell.operation, cell.client
        if found.setdefault(place, cell.says) != cell.says:
            raise ValueError(f"{cell.test} says {cell.says!r} of {place}, another test {found[place]!r}")
    rows = [("", *CLIENTS), ("---",) * (len(CLIENTS) + 1)]
    rows += [(row, *(found.get((row, client), UNTESTED) for client in CLIENTS)) for row in OPERATIONS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_table(page: str) -> str:
    """The page with the table of today's tests in place of the one it has."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
