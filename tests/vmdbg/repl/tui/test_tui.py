"""The prompt on a whole terminal, as a user has it."""

from __future__ import annotations

import pytest

from tests.vmdbg.repl.conftest import Open, open_terminal
from tests.vmdbg.repl.tmux import Tmux

__all__ = ["open_terminal"]


@pytest.fixture
def panes(open_terminal: Open) -> Tmux:
    """Where the sample pays into an account, with panes around the line."""
    terminal = open_terminal("run", "--repl", "-x", "tbreak deposit")
    terminal.resize(80, 24)
    terminal.keys("tui", "Enter")
    terminal.wait_for("─── console")
    terminal.keys("continue", "Enter")
    terminal.wait_for("─── code  samples/kernel/bank.c:62")
    return terminal


def test_keys_of_the_prompt_move_what_the_panes_show(panes: Tmux) -> None:
    before = panes.wait_for("stack")
    assert "=>    62 {" in before
    assert "user: hello from ring 3" in before, "the guest's console is in the pane"
    assert before.count("vmdbg>") <= 3
    panes.keys("p r", "Tab")
    panes.wait_for("rflags")
    panes.keys("C-c")
    panes.keys("F8")
    panes.wait_for("rip ffffffff8010393d")
    panes.keys("reverse-nexti", "Enter")
    panes.wait_for("rip ffffffff8010393c")
    panes.keys("Up")
    panes.wait_for("vmdbg> reverse-nexti")
    panes.keys("C-c")
    panes.keys("nosuchcommand", "Enter")
    panes.wait_for("error: ")
    assert len(panes.screen().splitlines()) == 24


def test_a_large_terminal_has_a_pane_for_each_and_a_small_one_the_console(panes: Tmux) -> None:
    panes.resize(160, 50)
    for title in ("source", "assembly", "backtrace", "registers", "stack", "memory  rsp", "console"):
        panes.wait_for(f"─── {title}")
    panes.keys("display teller", "Enter")
    panes.wait_for("─── watch")
    panes.keys("undisplay", "Enter")
    panes.keys("tui --memory phys:0x7000", "Enter")
    panes.wait_for("─── memory  phys:0x7000")
    panes.resize(40, 10)
    panes.wait_for("vmdbg>")
    assert "registers" not in panes.screen()


def test_the_console_is_scrolled(panes: Tmux) -> None:
    panes.keys("help", "Enter")
    panes.wait_for("vmdbg> help")
    panes.keys("PageUp")
    panes.wait_for("rows back")
    panes.keys("PageDown")
    assert "console ─" in panes.wait_for("─── console ─")


def test_the_terminal_is_given_back_and_ctrl_c_stops_the_guest(panes: Tmux) -> None:
    panes.keys("delete", "Enter")
    panes.keys("continue", "Enter")
    panes.wait_for("running, tick")
    panes.keys("C-c")
    panes.wait_for("interrupted")
    panes.keys("tui off", "Enter")
    shown = panes.wait_for("vmdbg>")
    panes.keys("echo again", "Enter")
    shown = panes.wait_for("\nagain")
    assert "─── console" not in shown.rpartition("echo again")[2]
