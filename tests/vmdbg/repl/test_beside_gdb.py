"""The prompt and a real gdb on one machine: a breakpoint of either stops both, and either can leave."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.gdbstub.clients import debian_gdb
from tests.guests.build import sample_kernel
from tests.vmdbg.repl.conftest import Open
from tests.vmdbg.repl.tmux import TIMEOUT, Tmux


def gdb(port: str, directory: Path, *commands: str) -> subprocess.Popen[str]:
    words = [word for command in (f"target remote 127.0.0.1:{port}", *commands) for word in ("-ex", command)]
    return subprocess.Popen(
        [*debian_gdb(), "-q", "-nx", "-batch", *words, str(sample_kernel())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=directory,
    )


def served(terminal: Tmux) -> str:
    found = re.search(r"target remote [\d.]*?:(\d+)", terminal.screen(history=True))
    assert found is not None
    return found[1]


def test_a_breakpoint_of_the_prompt_stops_gdbs_continue(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("run", "--repl", "--gdb", "127.0.0.1:0", "--append", "autostop")
    terminal.line("break deposit")
    client = gdb(served(terminal), tmp_path, "continue", "print $pc", "detach")
    output, _ = client.communicate(timeout=TIMEOUT)
    assert "deposit" in output
    terminal.wait_for("breakpoint 1")
    assert "bank.c:62" in terminal.screen(history=True)


def test_a_breakpoint_of_gdb_stops_the_prompt_and_leaves_with_gdb(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("run", "--repl", "--gdb", "127.0.0.1:0", "--append", "autostop")
    client = gdb(served(terminal), tmp_path, "break deposit", "continue", "detach")
    output, _ = client.communicate(timeout=TIMEOUT)
    assert "Breakpoint 1" in output
    assert "still here" in terminal.line("echo still here")
    terminal.line("interrupt")
    assert "deposit" not in terminal.line("points")


def test_quitting_gdb_leaves_the_prompts_breakpoints(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("run", "--repl", "--gdb", "127.0.0.1:0", "--append", "autostop")
    terminal.line("break mutex_lock")
    client = gdb(served(terminal), tmp_path, "stepi", "stepi")
    client.communicate(timeout=TIMEOUT)
    assert "mutex_lock" in terminal.line("points")


def test_control_c_at_the_prompt_stops_what_gdb_let_go(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("run", "--repl", "--gdb", "127.0.0.1:0")
    gdb(served(terminal), tmp_path, "stepi", "detach").communicate(timeout=TIMEOUT)
    terminal.wait_for("another front end let the guest go")
    terminal.keys("C-c")
    terminal.wait_for("\ninterrupted\n")
    assert "RIP" in terminal.line("registers rip").upper()


def test_what_happens_meanwhile_is_shown_above_the_line_being_typed(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal("run", "--repl", "--gdb", "127.0.0.1:0")
    terminal.line("context --off")
    terminal.keys("echo stl", "Left")
    gdb(served(terminal), tmp_path, "stepi", "detach").communicate(timeout=TIMEOUT)
    terminal.wait_for("left: connection closed")
    terminal.keys("il")
    terminal.wait_for("pages in use\nvmdbg> echo still\n")
    terminal.keys("Enter")
    lines = terminal.wait_for("\nstill\n").splitlines()
    notices = [line for line in lines if "gdb client" in line]
    assert [line.split()[:3] for line in notices] == [["vmdbg:", "gdb", "client"]] * 2
    assert "bank: the account holds 500, as it should" in lines
