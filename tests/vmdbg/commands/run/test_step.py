"""step, stepi and their reverses."""

from __future__ import annotations

import vmdbg
from vmdbg.session.session import Session


def line(session: Session) -> str:
    return str(session.sources.line_at(session.debugger.pc)).rpartition("/")[2]


def test_stepi_and_back(session: Session) -> None:
    pc = session.debugger.pc
    session.run("stepi")
    assert session.debugger.pc == pc + 1
    session.run("si 3")
    session.run("rsi 4")
    assert session.debugger.pc == pc


def test_step_goes_from_line_to_line_and_into_calls(session: Session) -> None:
    seen = []
    for _ in range(3):
        session.run("step")
        seen.append(line(session))
    assert seen[0] == "bank.c:63"
    assert "bugs.c" in seen[1]


def test_reverse_step_comes_back_to_a_line_begin(session: Session) -> None:
    session.run("step 2")
    session.run("reverse-step")
    assert line(session) == "bank.c:63"


def test_no_number_of_steps(session: Session) -> None:
    assert "is no number of steps" in session.execute("stepi 0")
    assert "is no number of steps" in session.execute("stepi -5")


def test_skipped_functions_are_run_over(session: Session) -> None:
    session.run("skip bug_planted")
    session.run("step 2")
    assert line(session).startswith("bank.c")


def test_a_step_of_one_cpu_after_another_s_triple_fault_shows_whose_it_was() -> None:
    with vmdbg.launch(cpus=3, memory="16M", append="autostop") as guest:
        guest.run(30_000_000)
        guest.execute("cpu 1 set idtr_limit = 0")
        shown = guest.execute("continue")
        assert "triple fault" in shown
        assert "CPU 1 at" in shown
        for number in range(2):
            guest.cpus[number].look_at()
            assert guest.execute("stepi") == shown
