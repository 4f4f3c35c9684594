"""Calls that end otherwise than by a return of their own: tail calls, long jumps, exceptions inside, at random."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from tests.vmdbg.debugger.programs import go, program, run_to, step
from tests.vmdbg.queries.test_unfinished import parted
from vmdbg.debugger.actions import StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.stops import Breakpoints
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries import calls as calls_module
from vmdbg.queries.calls import MOST_TIMES, CallQuery, CallScan
from vmdbg.queries.queries import Queries
from vmdbg.units import Linear

NAMES = ("f0", "f1", "f2", "f3")
DEEPEST = 0x400
"""Bytes of stack, below which nobody calls or jumps any more."""


def body(chance: random.Random, name: str) -> str:
    """Calls others and itself, and leaves by a return, by a jump to another function or to an earlier frame."""
    lines = [f"{name}:", "cmp rsp, r15", f"jb {name}_out", "dec r14d", f"js {name}_out"]
    for number in range(chance.randrange(1, 4)):
        other = chance.choice(NAMES)
        forms = (
            (f"call {other}",),
            (f"mov rax, {other}", "call rax"),
            (f"mov r12, {other}", "call r12"),
            ("push rbx", f"call {other}", "pop rbx"),
            ("int3",),
            ("call keep", "test eax, eax", f"jnz {name}_{number}", f"call {other}", f"{name}_{number}:"),
        )
        lines += chance.choice(forms)
    leave = chance.choice(
        ("ret", "ret", f"jmp {chance.choice(NAMES)}", "jmp back", f"push {chance.choice(NAMES)}\nret")
    )
    return "\n".join([*lines, leave, f"{name}_out:", "ret"])


def source(seed: int) -> str:
    chance = random.Random(seed)
    starts = "\n".join(f"mov r14d, {chance.randrange(3, 12)}\ncall {chance.choice(NAMES)}" for _ in range(8))
    functions = "\n".join(body(chance, name) for name in NAMES)
    return f"""
    set_handler 3, nothing
    lea r15, [rsp - {DEEPEST}]
    call keep
    test eax, eax
    jnz again
again:
{starts}
    nop
end:
    finish 0
nothing:
    ret
keep:                           ; setjmp: where it returns, and the stack there
    mov rdx, [rsp]
    mov [kept], rdx
    lea rdx, [rsp + 8]
    mov [kept + 8], rdx
    xor eax, eax
    ret
back:                           ; longjmp, once for each
    mov eax, 1
    cmp qword [kept + 8], rsp
    jb .gone                    ; its frame has returned
    xor edx, edx
    xchg rdx, [kept]
    test rdx, rdx
    jz .gone
    mov rsp, [kept + 8]
    jmp rdx
.gone:
    ret
{functions}
    align 8
kept: dq 0, 0
"""


@dataclass(slots=True)
class Calls:
    """By stepping: which calls there were, by what they began with, and when they returned."""

    ends: dict[tuple[str, Position], Position | None] = field(default_factory=dict)
    open: list[tuple[str, Position, int, int]] = field(default_factory=list)

    def look(self, debugger: Debugger, at: dict[str, int]) -> None:
        pc, rsp = debugger.pc, debugger.engine.read_register("rsp")
        while self.open and self.open[-1][3] < rsp:
            name, began, back, slot = self.open.pop()
            self.ends[name, began] = debugger.position if (back, slot + 8) == (pc, rsp) else None
        for name in NAMES:
            if pc == at[name]:
                back = debugger.engine.read_integer(Linear(rsp), 8) or 0
                self.open.append((name, debugger.position, back, rsp))
                self.ends[name, debugger.position] = None


@pytest.mark.parametrize("seed", range(6))
def test_each_call_has_its_own_return_or_none(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "MOST_TIMES", seed % 3)
    monkeypatch.setattr(calls_module, "MOST_KEPT", seed)
    with program(source(seed), "begin", "end", *NAMES) as (debugger, at, _):
        run_to(debugger, at["begin"])
        calls = Calls()
        while debugger.pc != at["end"]:
            step(debugger, StepMode.ARCHITECTURAL)
            calls.look(debugger, at)
        timeline = debugger.timeline
        chance, end = random.Random(seed), timeline.end.tick
        for name in NAMES:
            expected = {began: ended for (of, began), ended in calls.ends.items() if of == name}
            rows = Queries(timeline, workers=1).calls(at[name], arguments=0)
            assert {row.position: row.returned for row in rows} == expected, name
            cuts = [chance.randrange(end) for _ in range(3)]
            assert parted(timeline, CallQuery(at[name], 0), cuts) == rows
        assert any(ended is None for ended in calls.ends.values()) or seed


OFTEN = 200
LOOP = f"""
    mov ecx, {OFTEN}
next:
    call f
back:
    nop
    dec ecx
    jnz next
    call f
    mov ecx, {OFTEN}
other:                          ; comes by where a call returned to, and has called nobody
    jmp there
f:
    ret
there:
    lea rax, [back]
    mov byte [back], 0c3h       ; ret
    call rax
    dec ecx
    jnz other
    finish 0
"""


def test_breakpoints_stay_where_calls_return_until_many_come_by_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """To set others takes a look at all that was translated."""
    with program(LOOP, "f", "there") as (debugger, at, _):
        go(debugger)
        timeline = debugger.timeline
        engine = type(timeline.machine.engine)
        sets, looks = list[Breakpoints](), list[Outcome]()
        set_breakpoints, take = engine.set_breakpoints, CallScan.take

        def counted_set(self: StopControl, breakpoints: Breakpoints) -> None:
            sets.append(breakpoints)
            set_breakpoints(self, breakpoints)

        def counted_take(self: CallScan, outcome: Outcome) -> None:
            looks.append(outcome)
            take(self, outcome)

        monkeypatch.setattr(engine, "set_breakpoints", counted_set)
        monkeypatch.setattr(CallScan, "take", counted_take)
        rows = Queries(timeline, workers=1).calls(at["f"], arguments=0)
        assert len(rows) == OFTEN + 1
        assert all(row.returned is not None for row in rows)
        assert len(sets) < 16
        assert 2 * OFTEN < len(looks) < 3 * OFTEN + 4 * MOST_TIMES
