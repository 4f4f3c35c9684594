"""Steps by source lines: over what they do not enter, and back as they came."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.vmdbg.debugger.programs import program, run_to
from tests.vmdbg.debugger.test_mirror import KERNEL
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stepping import BackwardRun, LineRun, Lines, back_line
from vmdbg.debugger.stops import StepDone

FIRST = """
    mov ecx, 3
    mov esi, WINDOW + 4096
    mov edi, WINDOW + 8192
    cld
    rep movsb
l2: push rax
    syscall
    pop rax
l3: int 80h
    nop
l4: call entered
    nop
l5: call without
    nop
l6: call passed
    nop
l7: nop
l8: jmp l8
entered:
    nop
e1: call without
e2: ret
without:
    nop
    call inner
    ret
inner:
    nop
    ret
passed:
    nop
p1: nop
    ret
end:
"""
"""Lines begin at labels; `without` has none, though what it calls has, and `passed` is skipped."""
OWN = ("first", "l2", "l3", "l4", "l5", "l6", "l7", "l8")
ENTERED = ("entered", "e1", "e2")
OTHERS = ("inner", "passed", "p1")
FORTH_INTO = ["l2", "l3", "l4", "entered", "e1", "e2", "l5", "l6", "l7", "l8"]
FORTH_OVER = list(OWN[1:])

Places = dict[str, int]


def lines_of(at: Places) -> Lines:
    starts = sorted(at[name] for name in (*OWN, *ENTERED, "without", *OTHERS, "end"))
    spans = dict(itertools.pairwise(starts))
    del spans[at["without"]]

    def span(pc: int) -> tuple[int, int] | None:
        return next(((start, end) for start, end in spans.items() if start <= pc < end), None)

    return Lines(span, lambda pc: pc in spans, lambda pc: at["passed"] <= pc < at["end"])


@pytest.fixture
def at_first() -> Iterator[tuple[Debugger, Places]]:
    """A process in ring 3, interrupted again and again by a timer that switches to another."""
    names = (*OWN, *ENTERED, "without", *OTHERS, "end")
    with program(KERNEL.format(rate=3, first=FIRST, second="nop\nsyscall\n"), *names) as (debugger, at, _):
        run_to(debugger, at["first"])
        yield debugger, at


@pytest.mark.parametrize(("into", "forth"), [(True, FORTH_INTO), (False, FORTH_OVER)])
def test_lines_back_are_the_lines_forth(at_first: tuple[Debugger, Places], forth: list[str], *, into: bool) -> None:
    debugger, at = at_first
    lines = lines_of(at)
    names = {address: name for name, address in at.items()}
    seen = []
    for _ in forth:
        debugger.carry_out(lambda: LineRun(debugger, lines, into=into))
        assert isinstance(debugger.wait(), StepDone)
        assert debugger.cpu.ring == 3
        seen.append(names.get(debugger.pc, hex(debugger.pc)))
    assert seen == forth
    back = []
    for _ in forth:
        debugger.carry_out(lambda: BackwardRun(lambda d: back_line(d, lines, into=into)))
        assert isinstance(debugger.wait(), StepDone)
        back.append(names.get(debugger.pc, hex(debugger.pc)))
    assert back == ["first", *forth][-2::-1]
