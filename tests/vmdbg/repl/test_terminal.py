"""The prompt as a user has it: keys, completion, history, paging, interruption, colours."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.guests.build import sample_kernel
from tests.vmdbg.cli.vmdbg_process import digest
from tests.vmdbg.repl.conftest import Open


def test_completion_of_commands_symbols_and_options(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.keys("pagew", "Tab")
    terminal.wait_for("vmdbg> pagewalk")
    terminal.keys(" multiboot_e", "Tab")
    terminal.wait_for("vmdbg> pagewalk multiboot_entry")
    terminal.keys(" --cr", "Tab")
    terminal.wait_for("vmdbg> pagewalk multiboot_entry --cr3")
    terminal.keys("C-c")
    terminal.keys("break $r1", "Tab")
    terminal.wait_for("$r10")


def test_keys_are_commands_and_keep_what_was_typed(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.keys("p rax")
    terminal.wait_for("vmdbg> p rax")
    terminal.keys("F7")
    terminal.wait_for("=> 0x100025 <multiboot_entry+0x5>")
    terminal.wait_for(" 32-bit │ ring 0 │ if │ tick 5 (live)")
    terminal.wait_for("jne    0x1000e8")
    terminal.keys("Enter")
    terminal.wait_for("0x2badb002 = 732,803,074")


def test_an_empty_line_repeats_a_step(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("context --off")
    terminal.line("stepi", "tick 5")
    terminal.keys("Enter")
    terminal.wait_for("tick 11")


def test_control_c_stops_the_guest_and_not_the_prompt(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("context --off")
    terminal.line("continue", "sample>")
    terminal.keys("C-c")
    screen = terminal.wait_for("interrupted")
    assert re.search(r"sample> ?(\^C)?\ninterrupted", screen), "the guest's line was written over"
    terminal.keys("C-c")
    terminal.line("echo still here", "\nstill here")
    assert "Ctrl-C stops" not in terminal.screen()


def test_waiting_for_a_text_is_asked_about_and_ends(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("context --off")
    terminal.line('goto --within 1ms "never"', "at most 1ms of the guest's time? [Y/n]")
    terminal.keys("n", "Enter")
    assert "tick 0" in terminal.line("when", "tick 0")
    terminal.line('goto --within 1ms "never"', "[Y/n]")
    terminal.keys("Enter")
    terminal.wait_for("'never' was not written in 1,000,000 ticks")


def test_long_answers_wait_for_a_key(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("registers all", "more: space")
    terminal.keys("q")
    assert "here again" in terminal.line("echo here again")


def test_blocks_of_python(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("python", "...>")
    terminal.keys("for i in range(3):", "Enter")
    terminal.keys("    print('turn', i)", "Enter", "Enter")
    terminal.wait_for("turn 2")


def test_history_is_kept_for_the_next_session(open_terminal: Open, tmp_path: object) -> None:
    first = open_terminal("run", "--repl", XDG_STATE_HOME=str(tmp_path))
    first.line("echo remembered")
    first.line("quit", "ended with status 0")
    second = open_terminal("run", "--repl", XDG_STATE_HOME=str(tmp_path))
    second.keys("Up", "Up")
    second.wait_for("vmdbg> echo remembered")


def test_typing_errors_are_answered(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl", "--serial", "none")
    assert "console is not at this terminal" in terminal.line("console")
    assert "did you mean registers" in terminal.line("regsters")
    assert "is no expression" in terminal.line("p )(")
    terminal.keys("C-d")
    terminal.wait_for("ended with status 0")


def test_control_c_ends_what_takes_long(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("context --off")
    terminal.keys("python while True: pass", "Enter")
    terminal.press_until("C-c", "interrupted")
    terminal.keys("echo still here", "Enter")
    terminal.wait_for("\nstill here")


def test_the_line_survives_every_size_of_the_terminal(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.keys("echo ")
    for letter, columns, rows in (("Q", 40, 20), ("W", 20, 5), ("X", 200, 50), ("Y", 7, 2), ("Z", 80, 24)):
        terminal.resize(columns, rows)
        terminal.keys(letter)
        terminal.wait_for(letter)
    terminal.keys("Enter")
    terminal.wait_for("vmdbg> echo QWXYZ\nQWXYZ\n")


def test_a_terminal_of_five_short_rows_shows_menus_and_long_answers(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.resize(20, 5)
    terminal.keys("pa", "Tab")
    terminal.wait_for(" pagewalk  Walk...\n")
    terminal.keys("C-c")
    terminal.keys("registers all", "Enter")
    terminal.wait_for("000002badb002\nrbx                0\nx00000000000010b0\n more: space, q to\n")
    terminal.resize(40, 12)
    terminal.press_until("Space", "\n more: space, q to end, a for all\n")
    terminal.keys("q")
    terminal.wait_for("\n...\nvmdbg>")


def test_keeping_to_host_time_changes_nothing_in_the_guest(open_terminal: Open, tmp_path: Path) -> None:
    stop = ("--stop-at", "1_200_000_000")
    terminal = open_terminal("run", str(sample_kernel()), "--repl", *stop, "--digest", str(tmp_path / "digest"))
    assert "on" in terminal.line("realtime")
    terminal.line("continue", "ended with status 0")
    assert json.loads((tmp_path / "digest").read_text()) == digest(sample_kernel(), *stop)


def test_keys_typed_while_the_guest_runs_are_there_afterwards(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl")
    terminal.line("context --off")
    terminal.line("continue", "sample>")
    terminal.keys("p 7000+1", "C-c")
    terminal.wait_for("interrupted")
    terminal.wait_for("vmdbg> p 7000+1")
    terminal.keys("Enter")
    terminal.wait_for("7,001")


def test_a_stop_fits_a_terminal_of_80_by_24(open_terminal: Open) -> None:
    terminal = open_terminal("run", "--repl", "--append", "bug=stale panic=exit")
    terminal.resize(80, 24)
    terminal.line("tbreak pay_interest")
    terminal.line("continue", "\nvmdbg>")
    for line in ("finish", "stepi", "continue"):
        terminal.line(line, "\nvmdbg>\n 64-bit")
        screen = terminal.screen()
        assert re.search(r"^at 0x", screen, re.MULTILINE), screen
        assert "─── code" in screen
        assert "=> 0x" in screen
