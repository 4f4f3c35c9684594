"""MOV SS and POP SS hold debug exceptions back (SDM 3A 6.8.3); returns to outer rings empty segments (SDM 2A, IRET)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, DATA64, GDT, HANDLERS, STACK, BareCpu

USER_DATA, USER_CODE = 0x1B, 0x23
USER_SEGMENTS = struct.pack("<2Q", 0x00CFF3000000FFFF, 0x00AFFB000000FFFF)
ON_FETCH, ON_ACCESS = 1, 3 << 20 | 3 << 22 | 4
"""DR7: DR0 for code, DR1 for 4 bytes of data."""
DB, SOFTWARE = 1, 0x30


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    yield made
    made.close()


def _offset(source: str, label: str) -> int:
    return int.from_bytes(assemble(f"{source}\ndq {label}", origin=CODE)[-8:], "little")


def _run(cpu: BareCpu, source: str, dr7: int, *, stepped: bool) -> list[tuple[int, int]]:
    """Vector and rip of each delivery."""
    cpu.write(DATA, struct.pack("<Q", DATA64))
    cpu.engine.write_registers({"rdx": DATA64, "rdi": DATA})
    cpu.load(assemble(source, origin=CODE))
    cpu.engine.write_registers({"dr0": _offset(source, "here"), "dr1": DATA, "dr7": 0x400 | dr7})
    if stepped:
        while not isinstance(cpu.engine.step(), Halted):
            pass
    else:
        assert isinstance(cpu.engine.run(cpu.engine.clock + 1000), Halted)  # type: ignore[arg-type]  # a tick
    return [(one.vector, one.rip) for one in cpu.engine.deliveries()]


HELD_BACK = "mov ss, edx\nhere: nop\nnext: nop"
NOT_BY_STI = "sti\nhere: nop\nnext: nop"
NOT_BY_LSS = "mov dword [rsp - 8], 0xa000\nmov word [rsp - 4], 0x10\nlss esp, [rsp - 8]\nhere: nop\nnext: nop"


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize(("source", "comes"), [(HELD_BACK, False), (NOT_BY_STI, True), (NOT_BY_LSS, True)])
def test_a_code_breakpoint_behind_mov_ss_is_held_back(cpu: BareCpu, source: str, comes: bool, stepped: bool) -> None:
    assert _run(cpu, source, ON_FETCH, stepped=stepped) == ([(DB, _offset(source, "here"))] if comes else [])


@pytest.mark.parametrize("stepped", [False, True])
def test_such_a_breakpoint_comes_the_next_time(cpu: BareCpu, stepped: bool) -> None:
    source = "mov ecx, 2\nagain: mov ss, edx\nhere: nop\nnext: dec ecx\njnz again\njmp here"
    assert _run(cpu, source, ON_FETCH, stepped=stepped) == [(DB, _offset(source, "here"))]


@pytest.mark.parametrize("stepped", [False, True])
def test_what_mov_ss_reads_is_reported_behind_the_next_instruction(cpu: BareCpu, stepped: bool) -> None:
    source = "mov ss, [rdi]\nhere: nop\nnext: nop"
    assert _run(cpu, source, ON_ACCESS, stepped=stepped) == [(DB, _offset(source, "next"))]
    assert cpu["dr6"] & 15 == 2


@pytest.mark.parametrize("stepped", [False, True])
def test_it_is_reported_in_the_handler_of_a_software_interrupt(cpu: BareCpu, stepped: bool) -> None:
    source = f"mov ss, [rdi]\nhere: int {SOFTWARE}\nnext: nop"
    assert _run(cpu, source, ON_ACCESS, stepped=stepped) == [
        (SOFTWARE, _offset(source, "next")),
        (DB, HANDLERS + SOFTWARE),
    ]


def test_the_shadow_says_whose_it_is_and_is_kept_by_a_snapshot(cpu: BareCpu) -> None:
    for source, shadow in (("sti", 1), ("mov ss, edx", 2)):
        cpu.reset()
        cpu.engine.write_registers({"rdx": DATA64, "interrupt_shadow": 0})
        cpu.load(assemble(f"{source}\nnop\nnop", origin=CODE))
        cpu.engine.step()
        saved = cpu.engine.snapshot()
        assert cpu["interrupt_shadow"] == shadow
        cpu.engine.step()
        assert cpu["interrupt_shadow"] == 0
        cpu.engine.restore(saved)
        assert cpu["interrupt_shadow"] == shadow


def test_an_exception_ends_the_shadow(cpu: BareCpu) -> None:
    cpu.load(assemble("sti\nud2", origin=CODE))
    cpu.engine.step()
    cpu.engine.step()
    assert (cpu["rip"], cpu["interrupt_shadow"]) == (HANDLERS + 6, 0)


IRET = f"push {USER_DATA}\npush {STACK}\npush 2\npush {USER_CODE}\npush .out\niretq\n.out: nop"
RETF = f"push {USER_DATA}\npush {STACK}\npush {USER_CODE}\npush .out\nretfq\n.out: nop"


@pytest.mark.parametrize("leave", [IRET, RETF])
@pytest.mark.parametrize("register", ["fs", "gs"])
@pytest.mark.parametrize(("selector", "kept"), [(DATA64, 0), (USER_DATA, USER_DATA), (0, 0)])
def test_a_return_to_ring_3_empties_a_segment_and_keeps_its_base(
    cpu: BareCpu, leave: str, register: str, selector: int, kept: int
) -> None:
    cpu.write(GDT + 0x18, USER_SEGMENTS)
    msr = 0xC0000100 + (register == "gs")
    load = f"mov eax, {selector}\nmov {register}, eax\nmov ecx, {msr}\nmov eax, 0x1234567\nmov edx, 0x89\nwrmsr\n"
    cpu.engine.write_registers({"gdtr_limit": 0x27})
    cpu.load(assemble(load + leave, origin=CODE))
    while cpu["cs"] == CODE64:
        cpu.engine.step()
    assert (cpu["cs"], cpu[register], cpu[f"{register}_base"]) == (USER_CODE, kept, 0x8901234567)
    assert not cpu.engine.deliveries()


@pytest.mark.parametrize("leave", [IRET, RETF])
def test_a_return_that_faults_keeps_all(cpu: BareCpu, leave: str) -> None:
    cpu.write(GDT + 0x18, USER_SEGMENTS)
    bad = leave.replace(f"push {USER_CODE}", "push 0x53")
    cpu.engine.write_registers({"gdtr_limit": 0x27})
    cpu.run(assemble(f"mov eax, {DATA64}\nmov gs, eax\nadd eax, 1\n{bad}", origin=CODE))
    (delivery,) = cpu.engine.deliveries()
    assert (delivery.vector, delivery.error_code, cpu["gs"]) == (13, 0x50, DATA64)
    assert delivery.code == b"" or delivery.code[0] in (0x48,)
