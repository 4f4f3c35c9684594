"""The guest's own code breakpoint comes before whatever faults as the instruction is fetched (SDM 3A 6.9)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import BreakpointHit, Halted, LimitReached, Stepped, VoidFetch
from vmdbg.engine.stops import Breakpoints
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA64, GDT, HANDLERS, IDT, PAGE_TABLE, WINDOW, BareCpu
from vmdbg.units import Linear, Tick

DB, GP, PF, RF = 1, 13, 14, 0x10000
NX_PAGE, MISSING_PAGE, EDGE_PAGE = 13 << 12, 12 << 12, 11 << 12
UNMAPPED, NOT_CANONICAL = 0xDEAD_0123, 0x1234_5678_9ABC_DEF0
FAULTING = [0, UNMAPPED, NX_PAGE + 8, MISSING_PAGE, WINDOW + 0x10, NOT_CANONICAL]
RETURN = HANDLERS + 0x800
ARRIVALS = {
    "jmp": "mov rax, {at}\njmp rax",
    "call": "mov rax, {at}\ncall rax",
    "ret": "mov rax, {at}\npush rax\nret",
    "iret": "mov rax, {at}\nmov rbx, rsp\npush 0x10\npush rbx\npush 2\npush 8\npush rax\niretq",
}
LIMITED = 0x18
"""32-bit code up to MISSING_PAGE."""
Go = Callable[[BareCpu], object]


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    """Pages 0 and 12 are not mapped, one may not be executed; the handler of #DB goes on with RF set."""
    cpu = BareCpu()
    for page, entry in ((0, 0), (12, 0), (13, NX_PAGE | 3 | 1 << 63)):
        cpu.write(PAGE_TABLE + 8 * page, entry.to_bytes(8, "little"))
    cpu.write(RETURN, assemble(f"bits 64\nor dword [rsp + 16], {RF}\niretq"))
    cpu.write(IDT + 16 * DB, (RETURN | CODE64 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.write(GDT + LIMITED, struct.pack("<Q", 0x00409B0000000000 | MISSING_PAGE - 1))
    cpu.engine.write_registers({"gdtr_limit": LIMITED + 7})
    yield cpu
    cpu.close()


def _run(cpu: BareCpu) -> object:
    return cpu.engine.run(Tick(cpu.engine.clock + 10_000))


def _step(cpu: BareCpu) -> object:
    while (ended := cpu.engine.step()) == Stepped():
        pass
    return ended


def _tick_by_tick(cpu: BareCpu) -> object:
    while (ended := cpu.engine.run(Tick(cpu.engine.clock + 1))) == LimitReached():
        pass
    return ended


def _stopped(cpu: BareCpu) -> object:
    """The debugger has a breakpoint there, too."""
    cpu.engine.set_breakpoints(Breakpoints((Linear(cpu["dr0"]),)))
    while (ended := cpu.engine.run(Tick(cpu.engine.clock + 10_000), over_breakpoint=True)) == BreakpointHit():
        pass
    return ended


WAYS = {"run": _run, "stepped": _step, "tick by tick": _tick_by_tick, "stopped": _stopped}


def _deliveries(cpu: BareCpu) -> list[tuple[int, int, int]]:
    return [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()]


def _begin(cpu: BareCpu, source: str, at: int, bits: int = 64) -> None:
    cpu.load(assemble(f"bits {bits}\n{source}", origin=CODE))
    cpu.engine.write_registers({"dr0": at, "dr1": 1, "dr2": 1, "dr3": 1, "dr7": 0x401})


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at", FAULTING, ids=hex)
@pytest.mark.parametrize("how", ARRIVALS)
def test_it_comes_first_and_the_fault_when_it_is_passed(cpu: BareCpu, how: str, at: int, way: Go) -> None:
    if at == NOT_CANONICAL and how == "iret":
        pytest.skip("it faults itself")
    _begin(cpu, ARRIVALS[how].format(at=at), at)
    ended = way(cpu)
    seen = _deliveries(cpu)
    if at == NOT_CANONICAL:  # which is no address (SDM 3B 18.2.6)
        assert [(vector, code) for vector, code, _ in seen] == [(GP, 0)]
        return
    assert seen[0] == (DB, 0, at)
    assert (cpu.engine.deliveries()[0].cr2, cpu["dr6"] & 15) == (0, 1)
    if at == WINDOW + 0x10:
        assert (len(seen), ended) == (1, VoidFetch(Linear(at), Linear(at)))
    else:
        assert [(vector, rip) for vector, _, rip in seen[1:]] == [(PF, at)]
        assert cpu["cr2"] == at


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("before", ["nop", "mov ss, edx", "sti"])
@pytest.mark.parametrize("kind", ["enabled", "disabled", "of data", "elsewhere"])
def test_what_runs_into_a_page_that_is_missing(cpu: BareCpu, before: str, kind: str, way: Go) -> None:
    code = assemble(f"bits 64\n{before}")
    start = MISSING_PAGE - len(code)
    cpu.write(start, code)
    _begin(cpu, f"mov rax, {start}\njmp rax", MISSING_PAGE + (kind == "elsewhere"))
    cpu.engine.write_registers({"rdx": DATA64, "dr7": {"disabled": 0x400, "of data": 0x30401}.get(kind, 0x401)})
    way(cpu)
    comes = kind == "enabled" and before != "mov ss, edx"
    assert [(vector, rip) for vector, _, rip in _deliveries(cpu)] == [(DB, MISSING_PAGE)] * comes + [(PF, MISSING_PAGE)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at", [UNMAPPED, NX_PAGE + 8, MISSING_PAGE], ids=hex)
def test_a_return_with_rf_passes_it(cpu: BareCpu, at: int, way: Go) -> None:
    _begin(cpu, ARRIVALS["iret"].replace("push 2", f"push {RF | 2}").format(at=at), at)
    way(cpu)
    assert [vector for vector, _, _ in _deliveries(cpu)] == [PF]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_instruction_whose_second_page_is_missing(cpu: BareCpu, way: Go) -> None:
    at = MISSING_PAGE - 1
    cpu.write(at, b"\x0f")
    _begin(cpu, f"mov rax, {at}\njmp rax", at)
    way(cpu)
    assert [(vector, rip) for vector, _, rip in _deliveries(cpu)] == [(DB, at), (PF, at)]
    assert cpu["cr2"] == MISSING_PAGE


LAST_WORDS = {"nop": b"\x90", "two bytes": b"\x40\x90", "one that goes beyond": b"\x90\x81"}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("last", "enabled", "missing"), list(product(LAST_WORDS, (False, True), (False, True))))
def test_code_beyond_the_limit_of_cs(cpu: BareCpu, last: str, enabled: bool, missing: bool, way: Go) -> None:
    """Its limit, which is the end of a page, comes before what the next page is, and a breakpoint before both."""
    if not missing:
        cpu.write(PAGE_TABLE + 8 * 12, (MISSING_PAGE | 3).to_bytes(8, "little"))
    code = LAST_WORDS[last]
    cpu.write(MISSING_PAGE - len(code), code)
    at = MISSING_PAGE - (last == "one that goes beyond")
    _begin(cpu, f"push {LIMITED}\npush {MISSING_PAGE - len(code)}\no64 retf", at)
    cpu.engine.write_registers({"dr7": 0x400 | enabled})
    way(cpu)
    back = at if at < MISSING_PAGE or not enabled else RETURN + 8  # an IRET beyond a limit faults itself
    assert _deliveries(cpu) == [(DB, 0, at)] * enabled + [(GP, 0, back)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_breakpoint_that_is_set_while_its_page_is_missing(cpu: BareCpu, way: Go) -> None:
    """Translations of what is there are of before."""
    entry = PAGE_TABLE + 8 * (EDGE_PAGE >> 12)
    cpu.write(EDGE_PAGE, b"\xc3")
    _begin(
        cpu,
        f"""mov rbx, {EDGE_PAGE}
        call rbx
        mov qword [{entry}], 0
        invlpg [rbx]
        mov dr0, rbx
        mov eax, 401h
        mov dr7, rax
        mov qword [{entry}], {EDGE_PAGE | 3}
        call rbx
        nop""",
        0x1000_0000,
    )
    assert way(cpu) == Halted()
    assert _deliveries(cpu) == [(DB, 0, EDGE_PAGE)]


@pytest.mark.parametrize(("dr7", "vector"), [(0x401, DB), (0x400, GP)])
def test_the_limit_is_that_of_legacy_modes_too(cpu: BareCpu, dr7: int, vector: int) -> None:
    """16-bit code that runs into what is beyond its limit, where there is no memory."""
    base = WINDOW - 16
    cpu.write(base + 15, b"\x90")
    values = {"cs_base": base, "cs_limit": 15, "cs_flags": 0x9B00, "rip": 15, "cr0": 0x11, "cr4": 0, "efer": 0}
    cpu.engine.write_registers(values | {"dr0": WINDOW, "dr7": dr7, "idtr_limit": 0})
    assert cpu.engine.step() == Stepped()
    cpu.engine.step()
    assert _deliveries(cpu)[0] == (vector, 0, 16)
