"""Queries by several processes in whatever program asks: its own code runs once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.guests.build import REPOSITORY
from vmdbg import launch

PATIENCE = 120
PROGRAM = """
import threading, vmdbg, vmdbg.queries.queries
print("begun", flush=True)
vmdbg.queries.queries.WORTH_PROCESSES = 1
{thread}
with vmdbg.open_recording({recording!r}) as guest:
    print("found", len(guest.queries.using(workers=2).executions({address})), flush=True)
"""
A_THREAD = "stop = threading.Event(); threading.Thread(target=stop.wait, daemon=True).start()"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> tuple[Path, int, str]:
    """A recording, an address, and what the program says that finds its executions."""
    path = tmp_path_factory.mktemp("it") / "history"
    with launch(sample, memory="16M", record=path) as guest:
        guest.load_symbols(sample)
        guest.expect("sample> ")
        address = guest.address_of("printk")
        count = len(guest.queries.using(workers=1).executions(address))
    assert count > 10
    return path, address, f"begun\nfound {count}\n"


def program(recorded: tuple[Path, int, str], *, thread: bool) -> str:
    return PROGRAM.format(recording=str(recorded[0]), address=recorded[1], thread=A_THREAD if thread else "")


@pytest.mark.parametrize("thread", [False, True])
def test_in_a_script_without_a_guard(recorded: tuple[Path, int, str], thread: bool, tmp_path: Path) -> None:
    """With a thread, the process is not copied."""
    script = tmp_path / "script.py"
    script.write_text(program(recorded, thread=thread))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=PATIENCE, cwd=REPOSITORY, check=False
    )
    assert (done.stdout, done.returncode) == (recorded[2], 0), done.stderr


def test_in_a_notebook(recorded: tuple[Path, int, str]) -> None:
    cells = [nbformat.v4.new_code_cell(program(recorded, thread=False))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(REPOSITORY)}})
    asyncio.run(client.async_execute())
    written = [output.text for output in notebook.cells[0].outputs if output.output_type == "stream"]
    assert "".join(written) == recorded[2]


def test_in_a_test_of_pytest(recorded: tuple[Path, int, str], tmp_path: Path) -> None:
    lines = program(recorded, thread=True).replace("\n", "\n    ")
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {lines}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", tmp_path / "test_it.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=tmp_path,
        check=False,
    )
    assert recorded[2] in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_question_that_the_program_defines_is_answered(recorded: tuple[Path, int, str], tmp_path: Path) -> None:
    """A fresh process would not find it."""
    text = program(recorded, thread=True)
    asked = f".run(Mine(({recorded[1]},)))"
    text = text.replace(f".executions({recorded[1]})", asked)
    head = "from vmdbg.queries.accesses import ExecutionQuery\nclass Mine(ExecutionQuery): pass\n"
    (tmp_path / "script.py").write_text(head + text)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=REPOSITORY,
        check=False,
    )
    assert (done.stdout, done.returncode) == (recorded[2], 0), done.stderr
