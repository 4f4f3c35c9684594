"""Whole hunts in a terminal, from the crash to the culprit, with nothing but what the prompt shows."""

from __future__ import annotations

import re
from itertools import pairwise

from tests.vmdbg.repl.conftest import Open

ROW = re.compile(r"^ *(\d+) +\d+  (\d+)$", re.MULTILINE)
CRASH = "the guest left through the test-exit port"


def test_stale_pointer(open_terminal: Open) -> None:
    """A letter is read through a pointer that somebody else's write has spoilt."""
    terminal = open_terminal("run", "--repl", "--append", "bug=stale panic=exit")
    assert CRASH in terminal.line("continue", "backtrace ─")
    terminal.line("catch #PF")
    assert "supervisor read: not present" in terminal.line("reverse-continue", "backtrace ─")
    shown = terminal.line("reverse-stepi --mode architectural", "backtrace ─")
    assert "= not mapped" in shown, shown
    assert "sum += mailbox_take(mailbox)->number" in shown
    terminal.line("uncatch all")
    culprit = terminal.line("last-write rbx+0x10")
    assert "pay_interest" in culprit
    shown = terminal.line("last-write rbx+0x10 --go", "backtrace ─")
    assert "bank.c" in shown


def test_smashed_stack(open_terminal: Open) -> None:
    """The CPU is where no code has ever been: back to the `ret`, and to what wrote the address that it took."""
    terminal = open_terminal("run", "--repl", "--append", "bug=smash panic=exit")
    assert CRASH in terminal.line("continue", "backtrace ─")
    terminal.line("catch #PF")
    assert "fetch: not present" in terminal.line("reverse-continue", "stack ─")
    terminal.line("uncatch all")
    terminal.line("context --set code source")
    shown = terminal.line("reverse-stepi 2 --mode architectural", "source ─")
    assert "ret" in shown
    culprit = terminal.line("last-write rsp")
    assert re.search(r"by .*(text|guestbook)", culprit)


def test_race(open_terminal: Open) -> None:
    """Two tellers pay in at once: a balance that falls is a lost payment, and an interrupt came between."""
    terminal = open_terminal("run", "--repl", "--append", "bug=race autostop")
    terminal.line("context --off")
    terminal.line("tbreak deposit")
    terminal.line("continue", "breakpoint")
    terminal.line("p balance = mem[rdi + 8] + 16")
    terminal.line('logpoint bank.c:69 "{i64(balance):d}"')
    terminal.line("continue", "halted for ever")
    rows = ROW.findall(terminal.line("log 50"))
    fallen = [tick for (_, before), (tick, after) in pairwise(rows) if int(after) < int(before)]
    assert fallen
    terminal.line(f"goto {fallen[0]}", "tick")
    assert "deposit" in terminal.line("bt 2")
    assert "0x20" in terminal.line("deliveries 3")
