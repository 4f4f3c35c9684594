"""Functions that take their arguments off the stack as they return, as stdcall's do and i386's that return a struct."""

from __future__ import annotations

from tests.vmdbg.debugger.programs import program, run_to, step
from vmdbg.debugger.actions import StepMode
from vmdbg.machine.snapshot import Position
from vmdbg.queries.queries import Queries
from vmdbg.units import Linear

MOST = 100

POPS = """
    nop
    push 3
    call f
    push 0
    call f
    nop
end:
    hlt
f:                                  ; calls itself as often as it is told
    mov rdx, [rsp + 8]
    test rdx, rdx
    jz .over
    dec rdx
    push rdx
    push rdx
    push rdx
    call g
.over:
    mov eax, [rsp + 8]
    ret 8
g:
    push qword [rsp + 24]
    call f
    ret 24
"""


def test_their_calls_have_returned() -> None:
    with program(POPS, "begin", "end", "f", "g") as (debugger, at, _):
        run_to(debugger, at["begin"])
        returned: dict[tuple[str, Position], Position] = {}
        open_: list[tuple[str, Position, int, int]] = []
        while debugger.pc != at["end"] and len(returned) < MOST:
            step(debugger, StepMode.ARCHITECTURAL)
            pc, rsp = debugger.pc, debugger.engine.read_register("rsp")
            while open_ and rsp > open_[-1][3]:
                name, position, back, _ = open_.pop()
                assert pc == back
                returned[name, position] = debugger.position
            if pc in (at["f"], at["g"]):
                back = debugger.engine.read_integer(Linear(rsp), 8) or 0
                open_.append(("f" if pc == at["f"] else "g", debugger.position, back, rsp))
        assert not open_
        assert len(returned) == 8
        asked = Queries(debugger.timeline, workers=1)
        for name in ("f", "g"):
            rows = asked.calls(at[name], arguments=0)
            assert {row.position: row.returned for row in rows} == {
                position: when for (of, position), when in returned.items() if of == name
            }
