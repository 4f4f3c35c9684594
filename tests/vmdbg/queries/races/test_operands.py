"""Where instructions find their data, held to what the engine sees them access."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.determinism.machines import image_machine
from tests.guests.build import assemble
from tests.vmdbg.engine.watch_model import watch_everything
from vmdbg.engine.exits import WatchpointHit
from vmdbg.machine.snapshot import Position
from vmdbg.queries.parallel import scan_here
from vmdbg.queries.races.analysis import granules
from vmdbg.queries.races.operands import MOST_REPEATED, STACK, OperandQuery
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

DATA, STACKS = 0x210000, 0x230000
"""Of long.inc: data, and the end of the stack, whose last 16 KiB begin 4000h before."""
NEAR = 0x22E000
"""Data in the memory of the stack, but named by its address."""
SETUP = """
    mov rsi, {a:#x}
    mov rdi, {b:#x}
    mov rbx, {a:#x}
    mov rcx, {n}
    mov rdx, {bit}
    mov rax, {small}
    {flag}
"""
FORMS = (
    "mov eax, [rsi]", "mov [rdi + rcx * 4], ax", "inc byte [rbx + 3]", "cmp qword [{a:#x}], 0", "mov rax, [rel spot]",
    "xchg [rdi], eax", "lock xadd [rdi], eax", "cmpxchg16b [{aligned:#x}]", "movups xmm1, [rsi]", "movq [rdi], xmm1",
    "push qword [rsi]", "pop qword [rdi]", "bt [rsi], edx", "bts [rdi], rdx", "btr word [rdi], dx",
    "btc dword [rsi], 7", "lock bts qword [rdi], rdx", "xlatb", "movsb", "stosq", "cmpsw", "rep movsb", "rep movsd",
    "rep stosw", "repe cmpsb", "repne scasq", "rep lodsb", "a32 rep stosb", "fxsave [{aligned:#x}]", "fld qword [rsi]",
    "fnstcw [rdi]",
    "maskmovdqu xmm2, xmm2", "mov eax, [{near:#x}]", "mov [{near:#x}], rdx", "lock inc dword [{near:#x}]",
    "cmpxchg [rdi], rbx", "setc [rdi]", "shld [rdi], rax, 3", "lea rax, [rsi + 4]", "call qword [{table:#x}]",
    "prefetcht0 [rsi]", "xadd [rdi + rax], bl", "adc word [rsi], 7",
)  # fmt: skip


LESS = ("fxsave", "repe", "repne", "maskmovdqu")
"""What may access less than its operand."""


def in_order(seed: int) -> list[str]:
    """The first one accesses data whatever is in the registers."""
    return [FORMS[0], *random.Random(seed).sample(FORMS[1:], len(FORMS) - 1)]


def source(seed: int) -> str:
    chance = random.Random(seed)
    lines = []
    for number, form in enumerate(in_order(seed)):
        values = {
            "a": DATA + 0x2000 + chance.randrange(0x400), "b": DATA + 0x4000 + chance.randrange(0x400),
            "n": chance.choice((0, 1, 2, 7, 40)), "bit": chance.choice((0, 5, 77, -3, -100, 1000)),
            "small": chance.randrange(256), "flag": chance.choice(("cld", "std")), "near": NEAR + chance.randrange(64),
            "aligned": DATA + 0x6000, "table": DATA + 0x7000,
        }  # fmt: skip
        lines += [SETUP.format(**values), f"deed_{number}: {form.format(**values)}"]
        if form.startswith("push"):
            lines.append("add rsp, 8")
        if form.startswith("pop"):
            lines.append("sub rsp, 8")
    table = "\n".join(f"dq deed_{number}" for number in range(len(FORMS)))
    return f"""; at org 100000h, as long.inc says
%include "long.inc"
    mov rsp, {STACKS - 0x200:#x}
    mov qword [{DATA + 0x7000:#x}], nothing
    pcmpeqb xmm2, xmm2
{chr(10).join(lines)}
    finish 0
nothing:
    ret
spot: dq 0
table:
{table}
"""


@pytest.fixture(scope="module", params=range(2))
def guest(request: pytest.FixtureRequest) -> Iterator[tuple[Timeline, dict[int, str]]]:
    """A run, and which form the instruction at an address has."""
    image = assemble(source(request.param))
    table = image[-8 * len(FORMS) :]
    made = Timeline(image_machine(image, memory=4 << 20))
    made.run(Tick(10_000_000))
    addresses = [int.from_bytes(table[at : at + 8], "little") for at in range(0, len(table), 8)]
    yield made, dict(zip(addresses, in_order(request.param), strict=True))
    made.machine.close()


def touched(timeline: Timeline, start: Position) -> tuple[dict[int, set[int]], dict[int, int]]:
    """By instruction the granules of what it accesses, step by step; and the stack pointer that it has."""
    engine, found, stacks = timeline.machine.engine, defaultdict[int, set[int]](set), dict[int, int]()
    with timeline.undisturbed():
        timeline.go(start)
        watch_everything(engine)
        while timeline.position < timeline.end:
            stacks[engine.linear_pc] = engine.read_register("rsp")
            outcome = timeline.step()
            for hit in outcome.hits if isinstance(outcome, WatchpointHit) else ():
                found[hit.pc] |= set(granules(hit.linear, hit.size))
        engine.set_watchpoints([])
    return found, stacks


def whole(timeline: Timeline) -> tuple[Position, Position]:
    return timeline.start, timeline.end


def asked(timeline: Timeline, query: OperandQuery) -> set[int]:
    found = scan_here(timeline, query, *whole(timeline))
    return {granule for data in found for granule in range(data.start, data.end, 8)}


def test_what_instructions_access_beyond_the_stack_is_found(guest: tuple[Timeline, dict[int, str]]) -> None:
    timeline, forms = guest
    start = min(data.first for data in scan_here(timeline, OperandQuery(tuple(map(Linear, forms))), *whole(timeline)))
    seen, stacks = touched(timeline, start)
    for pc, form in forms.items():
        stack = range(stacks[pc] - 8, stacks[pc] + 8)
        expected = {granule for granule in seen[pc] if granule not in stack}
        found = asked(timeline, OperandQuery((Linear(pc),)))
        assert found >= expected if form.startswith(LESS) else found == expected, form
    assert {near for pc, form in forms.items() for near in seen[pc] if near // STACK == NEAR // STACK}


def test_what_locked_instructions_access_is_found_on_the_stack_too(guest: tuple[Timeline, dict[int, str]]) -> None:
    found = asked(guest[0], OperandQuery(locked=True))
    assert any(granule // STACK == NEAR // STACK for granule in found)


def test_of_a_long_string_the_bytes_are_found_that_come_first() -> None:
    top = DATA + 0x8000
    lines = f"mov edi, {top:#x}\nmov ecx, 0x3000\nstd\njmp fill\nalign 16\nfill: rep stosb\nfinish 0\ntable: dq fill\n"
    image = assemble(f'; at org 100000h, as long.inc says\n%include "long.inc"\n{lines}')
    timeline = Timeline(image_machine(image, memory=4 << 20))
    try:
        timeline.run(Tick(10_000_000))
        found = asked(timeline, OperandQuery((Linear(int.from_bytes(image[-8:], "little")),)))
        assert found == set(granules(top - MOST_REPEATED + 1, MOST_REPEATED))
    finally:
        timeline.machine.close()
