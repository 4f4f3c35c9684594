"""At each instruction of a retpoline the caller's return address is found where a CPU that runs it has put it."""

from __future__ import annotations

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, STACK, BareCpu
from vmdbg.os.linux.retpolines import is_retpoline, return_address_at

TURNS = "call 2f_\nspeculated: pause\nlfence\njmp speculated\n2f_: mov [rsp], rax\nret\nint3"
FORMS = {
    "retpoline": TURNS,
    "with a jump to it": "jmp there\nint3\nthere:\n" + TURNS,
    "counted": "sar qword [rel depth], 5\n" + TURNS + "\ndepth: dq 0",
    "no mitigation": "jmp rax\nint3",
    "of AMD's": "lfence\njmp rax\nint3",
}
CALLS = {
    "call": ("call thunk", 0),
    "jump": ("call leaf", 0),
    "call with more on the stack": ("push rbx\ncall thunk", 8),
}
OTHERS = {
    "only speculated": "pause\nlfence\nhere: jmp here",
    "conditional": "jz $+2\nret",
    "moves the stack": "add rsp, 8\nret",
    "of memory": "jmp [rax]",
    "indirect call": "call rax",
    "trap": "int3\nret",
    "none": "db 6",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", CALLS)
def test_the_return_address_is_where_the_caller_put_it(form: str, call: str) -> None:
    first, pushed = CALLS[call]
    source = f"lea rax, [rel target]\n{first}\nback: hlt\nleaf: jmp thunk\ntarget: nop\nret\nthunk:\n"
    source += FORMS[form].replace("2f_", "over")
    code = assemble(source, origin=CODE)
    thunk = CODE + len(assemble(source.split("thunk:\n")[0] + "thunk:", origin=CODE))
    with_back = code.index(b"\xf4")
    cpu = BareCpu()
    cpu.load(code)
    inside = 0
    while cpu["rip"] != CODE + with_back:
        if cpu["rip"] >= thunk:
            inside += 1
            place = return_address_at(cpu["rip"], cpu["rsp"], lambda at, size: code[at - CODE :][:size])
            assert place == STACK - 8 - pushed
            assert cpu.read(place, 8) == CODE + with_back
        cpu.engine.step()
    assert inside >= 1


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_no_retpoline_has_none(form: str) -> None:
    code = assemble(OTHERS[form], origin=CODE)
    assert return_address_at(CODE, STACK, lambda at, size: code[at - CODE :][:size].ljust(size, b"\xcc")) is None


def test_retpolines_are_known_by_their_names() -> None:
    assert is_retpoline("__x86_indirect_thunk_array")
    assert is_retpoline("__x86_indirect_call_thunk_rax")
    assert not is_retpoline("__x86_return_thunk")
    assert not is_retpoline("schedule")
