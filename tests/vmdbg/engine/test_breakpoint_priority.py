"""A breakpoint comes before whatever fetching the instruction there would do (SDM 3B 18.3.1.1, 3A 6.9)."""

from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.engine.exits import BreakpointHit, ExceptionDelivered, Halted, LimitReached, Stepped, VoidFetch
from vmdbg.engine.stops import Breakpoints, Catches
from vmdbg.engine.unicorn.bare import CODE, DATA, GDT, PAGE_TABLE, STACK, WINDOW, BareCpu
from vmdbg.units import Linear, Physical, Tick

NX_PAGE, SUPERVISOR_PAGE, FRESH_PAGE = 13 << 12, 12 << 12, 11 << 12
UNMAPPED, NOT_CANONICAL = 0xDEAD_0123, 0x1234_5678_9ABC_DEF0
NOWHERE = [0, UNMAPPED, NX_PAGE + 8, WINDOW + 0x10, 0xFFFF_8000_0000_0000]
ARRIVALS = {
    "jmp": "mov rax, {at}\njmp rax",
    "call": "mov rax, {at}\ncall rax",
    "ret": "mov rax, {at}\npush rax\nret",
    "iret": "mov rax, {at}\nmov rbx, rsp\npush 0x10\npush rbx\npush 2\npush 8\npush rax\niretq",
    "far": "push 8\nmov rax, {at}\npush rax\no64 retf",
}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    """Page 0 is not mapped, one page may not be executed; all accessed bits are clear."""
    cpu = BareCpu()
    cpu.write(PAGE_TABLE, bytes(8))
    cpu.write(PAGE_TABLE + 8 * 13, (NX_PAGE | 3 | 1 << 63).to_bytes(8, "little"))
    yield cpu
    cpu.close()


def _load(cpu: BareCpu, source: str) -> None:
    cpu.reset()
    cpu.write(STACK - 64, bytes(64))
    cpu.load(assemble("bits 64\n" + source, origin=CODE))


def _run(cpu: BareCpu, over: bool = False) -> object:
    return cpu.engine.run(Tick(cpu.engine.clock + 10_000), over_breakpoint=over)


@pytest.mark.parametrize("how", ARRIVALS)
def test_what_leads_to_an_address_that_is_not_canonical_never_arrives(cpu: BareCpu, how: str) -> None:
    """#GP(0) at the jump or return (SDM 2A, CALL, IRET, JMP; 2B, RET)."""
    _load(cpu, ARRIVALS[how].format(at=NOT_CANONICAL))
    cpu.engine.set_breakpoints(Breakpoints((Linear(NOT_CANONICAL),)))
    assert _run(cpu) == Halted()
    fault = cpu.engine.deliveries()[0]
    assert (fault.vector, fault.error_code) == (13, 0)
    assert CODE < fault.rip < CODE + 64


@pytest.mark.parametrize(
    ("how", "at"),
    [(how, at) for how in ARRIVALS for at in NOWHERE],
    ids=lambda value: hex(value) if isinstance(value, int) else value,
)
def test_a_jump_to_nowhere_is_met_before_it_fails(cpu: BareCpu, how: str, at: int) -> None:
    _load(cpu, ARRIVALS[how].format(at=at))
    cpu.engine.set_breakpoints(Breakpoints((Linear(at),)))
    assert _run(cpu) == BreakpointHit()
    assert (cpu.engine.linear_pc, cpu.engine.delivery_count) == (at, 0)
    failed = _run(cpu, over=True)
    if at == WINDOW + 0x10:
        assert failed == VoidFetch(Linear(at), Physical(at))
    else:
        assert failed == Halted()
        fault = cpu.engine.deliveries()[0]
        assert (fault.vector, fault.rip) == (14, at)


def test_a_breakpoint_at_no_address_where_rip_was_set_is_met_before_the_fetch_fails(cpu: BareCpu) -> None:
    _load(cpu, "nop")
    cpu.engine.set_breakpoints(Breakpoints((Linear(NOT_CANONICAL),)))
    cpu.engine.write_registers({"rip": NOT_CANONICAL})
    assert _run(cpu) == BreakpointHit()
    assert (cpu.engine.linear_pc, cpu.engine.delivery_count) == (NOT_CANONICAL, 0)
    assert _run(cpu, over=True) == Halted()
    fault = cpu.engine.deliveries()[0]
    assert (fault.vector, fault.rip) == (13, NOT_CANONICAL)


@pytest.mark.parametrize("at", [*NOWHERE, FRESH_PAGE], ids=hex)
def test_the_stop_leaves_no_trace_of_the_fetch(cpu: BareCpu, at: int) -> None:
    digests = []
    for breakpoints in ((), (Linear(at),)):
        other = BareCpu()
        other.engine.restore_pages(in_pages(cpu.engine.ram))
        _load(other, ARRIVALS["jmp"].format(at=at))
        other.engine.set_breakpoints(Breakpoints(breakpoints))
        length = len(assemble("bits 64\n" + ARRIVALS["jmp"].format(at=at)))
        limit = Tick(other.engine.clock + length + (50 if breakpoints else 0))
        assert other.engine.run(limit) == (BreakpointHit() if breakpoints else LimitReached())
        digests.append((other.engine.clock, other.engine.cpu_digest_bytes(), bytes(other.engine.ram)))
        other.close()
    assert digests[0] == digests[1]


def test_a_return_to_ring_3_where_ring_3_may_not_run(cpu: BareCpu) -> None:
    """The IRET's block holds its own target, which is the supervisor's."""
    cpu.write(GDT + 0x18, bytes.fromhex("ffff000000fbaf00 ffff000000f3cf00"))
    _load(cpu, f"push 0x23\npush {STACK - 256}\npush 2\npush 0x1b\npush {CODE}\niretq")
    cpu.write(PAGE_TABLE + 8 * 7, (CODE | 3).to_bytes(8, "little"))
    cpu.engine.write_registers({"gdtr_limit": 0x27})
    cpu.engine.set_breakpoints(Breakpoints((Linear(CODE),)))
    length = len(assemble(f"bits 64\npush 0x23\npush {STACK - 256}\npush 2\npush 0x1b\npush {CODE}\niretq"))
    start = cpu.engine.clock
    assert _run(cpu, over=True) == BreakpointHit()
    assert (cpu["rip"], cpu["cs"], cpu.engine.clock) == (CODE, 0x1B, start + length)


def test_a_physical_breakpoint_where_the_page_was_never_run(cpu: BareCpu) -> None:
    _load(cpu, ARRIVALS["jmp"].format(at=NX_PAGE + 8))
    cpu.engine.set_breakpoints(Breakpoints((), (Physical(NX_PAGE + 8),)))
    assert _run(cpu) == BreakpointHit()
    assert cpu.engine.delivery_count == 0


def test_stepping_on_from_the_breakpoint_delivers_the_fault(cpu: BareCpu) -> None:
    _load(cpu, ARRIVALS["ret"].format(at=UNMAPPED))
    cpu.engine.set_breakpoints(Breakpoints((Linear(UNMAPPED),)))
    assert _run(cpu) == BreakpointHit()
    assert cpu.engine.step() == Stepped()
    assert cpu.engine.deliveries()[-1].cr2 == UNMAPPED


def test_the_breakpoint_comes_before_a_catch_of_the_fault(cpu: BareCpu) -> None:
    _load(cpu, ARRIVALS["call"].format(at=UNMAPPED))
    cpu.engine.set_breakpoints(Breakpoints((Linear(UNMAPPED),)))
    cpu.engine.set_catches(Catches(vectors=frozenset({14})))
    assert _run(cpu) == BreakpointHit()
    assert isinstance(_run(cpu, over=True), ExceptionDelivered)


def test_an_instruction_that_runs_on_into_an_unmapped_page(cpu: BareCpu) -> None:
    edge = FRESH_PAGE + 0xFFF
    cpu.write(edge, b"\x0f")
    cpu.write(PAGE_TABLE + 8 * 12, bytes(8))
    _load(cpu, ARRIVALS["jmp"].format(at=edge))
    cpu.engine.set_breakpoints(Breakpoints((Linear(edge),)))
    assert _run(cpu) == BreakpointHit()
    assert _run(cpu, over=True) == Halted()
    assert cpu.engine.deliveries()[-1].cr2 == SUPERVISOR_PAGE


REPEATED = "mov ecx, 5\nmov edi, {data}\nmov esi, edi\ncld\n{string}\nnop"


@pytest.mark.parametrize("string", ["rep stosb", "rep movsq", "repe cmpsb", "repne scasd", "rep lodsw"])
@pytest.mark.parametrize("slice_", [10_000, 2, 1])
def test_a_repeated_instruction_is_met_once(cpu: BareCpu, string: str, slice_: int) -> None:
    _load(cpu, REPEATED.format(data=DATA, string=string))
    before, whole = (len(assemble("bits 64\n" + REPEATED.format(data=DATA, string=s))) for s in ("", string))
    cpu.engine.set_breakpoints(Breakpoints((Linear(CODE + before - 1),)))
    met, over, end = 0, False, cpu.engine.clock + 1000
    while (ended := cpu.engine.run(Tick(min(end, cpu.engine.clock + slice_)), over_breakpoint=over)) != Halted():
        over = ended == BreakpointHit()
        met += over
    assert (met, cpu["rip"]) == (1, CODE + whole + 1)


def test_a_repeated_instruction_that_is_come_to_again_is_met_again(cpu: BareCpu) -> None:
    _load(cpu, f"mov ebx, 3\nagain: mov ecx, 4\nmov edi, {DATA}\nplace: rep stosb\ndec ebx\njnz again")
    cpu.engine.set_breakpoints(Breakpoints((Linear(CODE + 15),)))
    assert cpu.read(CODE + 15, 2) == 0xAAF3
    met = 0
    while _run(cpu, over=met > 0) == BreakpointHit():
        met += 1
        assert cpu["rcx"] == 4
    assert met == 3


def test_where_it_goes_on_is_part_of_a_snapshot(cpu: BareCpu) -> None:
    _load(cpu, REPEATED.format(data=DATA, string="rep stosb"))
    at = CODE + len(assemble("bits 64\n" + REPEATED.format(data=DATA, string=""))) - 1
    while cpu["rcx"] != 3:
        cpu.engine.step()
    middle = cpu.engine.snapshot()
    cpu.engine.set_breakpoints(Breakpoints((Linear(at),)))
    for _ in range(2):
        assert _run(cpu) == Halted()
        cpu.engine.restore(middle)
    assert (cpu["rip"], cpu.engine.at_breakpoint) == (at, False)
    cpu.engine.write_register("rip", at)
    assert cpu.engine.at_breakpoint
    assert _run(cpu) == BreakpointHit()


def test_a_jump_to_itself_is_met_every_time(cpu: BareCpu) -> None:
    _load(cpu, "here: jmp here")
    cpu.engine.set_breakpoints(Breakpoints((Linear(CODE),)))
    assert _run(cpu) == BreakpointHit()
    assert [_run(cpu, over=True) for _ in range(3)] == [BreakpointHit()] * 3
