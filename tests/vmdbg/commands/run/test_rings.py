"""To user space and its system calls, and over calls of the kernel: forwards and back."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.vmdbg.debugger.programs import program, run_to
from tests.vmdbg.debugger.test_mirror import KERNEL
from vmdbg.commands import catalog
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

FIRST = """
    nop
    push rax
one:
    syscall
two:
    pop rax
three:
    int 80h
four:
    call away
five:
    mov rax, [WINDOW + 4096]
    jmp first
away:
    nop
    call further
    ret
further:
    nop
last:
    ret
"""
LABELS = ("first", "second", "one", "two", "three", "four", "five", "away", "further", "last", "syscall_entry")
PLACES = dict[str, int]


@pytest.fixture
def user() -> Iterator[tuple[Session, PLACES]]:
    """A process in ring 3 beside another, interrupted by a timer that switches between them."""
    with program(KERNEL.format(rate=3, first=FIRST, second="nop\nsyscall\n"), *LABELS) as (debugger, at, _):
        run_to(debugger, at["first"])
        yield Session(debugger, catalog.commands(), allowed=Effect.RUNS), at


def test_a_step_over_a_system_call_runs_it(user: tuple[Session, PLACES]) -> None:
    session, at = user
    for there in ("one", "two", "three", "four", "five", "first"):
        while session.debugger.pc != at[there]:
            before = session.debugger.pc
            session.run("nexti")
            assert session.debugger.pc != before
            assert session.debugger.cpu.ring == 3
    for there in ("five", "four", "three", "two", "one"):
        while session.debugger.pc != at[there]:
            session.run("reverse-nexti")
            assert session.debugger.cpu.ring == 3


def test_until_user_leaves_a_system_call(user: tuple[Session, PLACES]) -> None:
    session, at = user
    run_to(session.debugger, at["one"])
    session.run("stepi")
    assert session.debugger.pc == at["syscall_entry"]
    inside = session.debugger.position
    session.run("reverse-until-user")
    assert session.debugger.pc == at["one"]
    session.debugger.timeline.seek(inside)
    while session.debugger.pc != at["two"]:
        session.run("until-user")
        assert session.debugger.cpu.ring == 3


def test_next_syscall_is_of_the_process_that_runs(user: tuple[Session, PLACES]) -> None:
    session, at = user
    places = []
    for _ in range(4):
        session.run("next-syscall")
        places.append((session.debugger.pc, session.debugger.cpu.ring))
        session.run("stepi")
    assert places[0] == (at["one"], 3)
    assert places[1][1] == 0, "INT 80h has been made"
    assert places[2] == (at["one"], 3)
    for _ in range(30):
        session.run("reverse-next-syscall")
        if session.debugger.pc == at["one"]:
            break
    assert session.debugger.pc == at["one"]


def test_nothing_of_it_leaves_a_trace(user: tuple[Session, PLACES]) -> None:
    session, _ = user
    rng, debugger = random.Random(7), session.debugger
    lines = ("nexti", "until-user", "next-syscall", "reverse-nexti", "reverse-until-user")
    start = debugger.position
    for _ in range(40):
        session.run(rng.choice(lines))
    end = debugger.timeline.end
    debugger.timeline.seek(end)
    seen = debugger.timeline.digest_here()
    debugger.timeline.seek(start)
    debugger.timeline.fork()
    with debugger.timeline.undisturbed():
        while debugger.position < end:
            debugger.timeline.advance(end)
    assert debugger.timeline.digest_here() == seen


def test_back_to_user_from_where_a_delivery_led(user: tuple[Session, PLACES]) -> None:
    session, at = user
    run_to(session.debugger, at["three"])
    session.run("stepi")
    assert session.debugger.cpu.ring == 0
    session.run("reverse-until-user")
    assert (session.debugger.pc, session.debugger.cpu.ring) == (at["three"], 3)
    session.run("stepi")
    session.run("reverse-next-syscall")
    assert session.debugger.pc == at["three"]
