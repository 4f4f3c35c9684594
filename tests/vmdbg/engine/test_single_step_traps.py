"""With TF set, #DB follows every instruction, whatever it is (SDM 3B 18.3.1.4); it brings data breakpoints along."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Delivery, Halted
from vmdbg.engine.unicorn.bare import CODE, DATA, HANDLERS, STACK, BareCpu
from vmdbg.units import Tick

SET = "pushfq\nor dword [rsp], 100h\npopfq\n"
DR6_INIT, BS, B0 = 0xFFFF0FF0, 1 << 14, 1
IRETQ = b"\x48\xcf"
ON_DATA = f"mov rax, {DATA}\nmov dr0, rax\nmov eax, 0f0003h\nmov dr7, rax\n"
"""Four bytes, read or written."""
INSTRUCTIONS = """
nop | pause | hlt | cpuid | rdtsc | rdtscp | rdrand eax | in al, 80h | out 80h, al | in eax, dx | insb | outsb
mov rax, cr0 | rep outsb | mov cr8, rdx | mov rdx, cr8 | invlpg [rbx] | wbinvd
sgdt [rsp-16] | sidt [rsp-16] | smsw ax | clts
sti | cli | cld | std | fninit | fwait | fld1 | emms | lock inc dword [rsp-8] | xchg [rsp-8], eax | push rax | pop rcx
lahf | mov dr0, rax | mov rax, dr6 | mov ds, esi | mov fs, esi | lar eax, esi | verr si | str ax | sldt ax | swapgs
rep movsb | rep stosb | movsb | lodsb | enter 0, 0 | cmpxchg [rbx], rax | cmpxchg16b [rbx] | clflush [rbx] | lfence
prefetcht0 [rbx] | fxsave [rbx] | stmxcsr [rbx] | addps xmm0, xmm1 | jmp .after | call .after | loop .after
popfq | lea rax, [rel .after] \\ jmp rax | lea rax, [rel .after] \\ push rax \\ ret
push 8 \\ lea rax, [rel .after] \\ push rax \\ o64 retf
mov rax, rsp \\ push 10h \\ push rax \\ push 302h \\ push 8 \\ lea rax, [rel .after] \\ push rax \\ iretq
"""
"""Each falls through to .after; what stands before it, behind \\, is done without TF."""
CASES = [case.strip() for line in INSTRUCTIONS.strip().splitlines() for case in line.split("|")]


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    cpu = BareCpu("x86-64-v3")
    yield cpu
    cpu.close()


def source_of(case: str) -> str:
    *before, traced = (part.strip() for part in case.split("\\"))
    setup = f"mov rbx, {DATA}\nmov esi, 10h\nmov rdi, {DATA + 512}\nmov ecx, 1\n"
    if traced == "popfq":
        before += ["push 302h"]
    if "rep" in case or "sb" in case:
        setup += f"mov rsi, {DATA + 64}\n"
    return setup + "\n".join(before) + f"\n{SET}.traced: {traced}\n.after: nop\nhlt\n"


def first_trap(cpu: BareCpu, source: str, *, stepped: bool) -> tuple[Delivery, int, int]:
    """The first delivery, and where .traced and .after lie."""
    code = assemble("bits 64\n" + source, origin=CODE)
    labels = assemble(f"bits 64\n{source}align 16\ndd .traced, .after\n", origin=CODE)[-8:]
    cpu.engine.write_register("rsp", STACK - 512)
    cpu.load(code)
    if stepped:
        while not cpu.engine.delivery_count:
            cpu.engine.step()
    else:
        assert cpu.engine.run(Tick(cpu.engine.clock + 10_000)) == Halted()
    traced, after = struct.unpack("<2I", labels)
    return cpu.engine.deliveries()[0], traced, after


@pytest.mark.parametrize("stepped", [False, True], ids=["run", "stepped"])
@pytest.mark.parametrize("case", CASES)
def test_the_trap_comes_right_after_the_instruction(cpu: BareCpu, case: str, stepped: bool) -> None:
    trap, _, after = first_trap(cpu, source_of(case), stepped=stepped)
    assert (trap.vector, trap.rip) == (1, after)
    assert cpu["dr6"] == DR6_INIT | BS
    if "rep" not in case and all(way not in case for way in ("jmp", "ret", "call", "loop")):
        assert trap.tick == after - CODE


@pytest.mark.parametrize("stepped", [False, True], ids=["run", "stepped"])
def test_the_trap_wakes_a_cpu_that_halts_in_the_shadow_of_sti(cpu: BareCpu, stepped: bool) -> None:
    cpu.write(HANDLERS + 1, IRETQ)
    traced = ["sti", "hlt", "pushfq", "and dword [rsp], ~100h", "popfq"]
    ends = [len(assemble("bits 64\n" + SET + "\n".join(traced[: number + 1]))) for number in range(len(traced))]
    cpu.load(assemble("bits 64\n" + SET + "\n".join(traced) + "\nhlt\n", origin=CODE))
    if stepped:
        while cpu["rip"] != CODE + ends[-1]:
            cpu.engine.step()
    else:
        assert cpu.engine.run(Tick(cpu.engine.clock + 10_000)) == Halted()
    assert [one.rip - CODE for one in cpu.engine.deliveries()] == ends


@pytest.mark.parametrize("after_ss", [False, True], ids=["at once", "held back by MOV SS"])
@pytest.mark.parametrize("ends", ["single step", "int1"])
def test_one_trap_tells_of_a_data_breakpoint_as_well(cpu: BareCpu, ends: str, after_ss: bool) -> None:
    access = f"mov word [{DATA}], ss\n" if not after_ss else f"mov ss, [{DATA}]\n"
    prepared = f"mov word [{DATA}], 10h\n{ON_DATA}{SET if ends == 'single step' else ''}"
    if ends == "int1" and not after_ss:
        pytest.skip("its #DB comes before the INT1")
    behind = ".traced: nop\n" if ends == "single step" else ".traced: db 2eh, 0f1h\n"
    trap, traced, after = first_trap(cpu, f"{prepared}{access}{behind}.after: nop\nhlt\n", stepped=False)
    assert (trap.vector, trap.rip) == (1, after if after_ss else traced)
    assert cpu["dr6"] == DR6_INIT | B0 | (BS if ends == "single step" else 0)
    assert cpu.engine.delivery_count == 1
