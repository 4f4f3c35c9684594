from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmdbg.x86.assembly import assemble, objdump
from vmdbg.x86.boundaries import boundaries, boundary_from, calls_before, length_at, starts_before
from vmdbg.x86.disassembly import Disassembler, Syntax, disassembler
from vmdbg.x86.instruction import BAD, Instruction, Kind, MemoryOperand, OperandAccess
from vmdbg.x86.mode import Width

COMMON = """
    mov eax, 0x12345678; mov ax, 0x1234; push eax_or_rax; pop eax_or_rax; push 0x7f; xchg eax, ebx
    call 1f; jmp 1f; je 1f; jne 1f; loop 1f
1:  ret; ret 8; int 0x80; int3; into_here: cli; sti; hlt; in al, dx; in eax, 0x60; out 0x80, al; out dx, eax
    pushf; popf; iret; cpuid; rdtsc; wrmsr; rdmsr; invd; wbinvd; clts; ud2; nop; pause
    mov cr0, eax_or_rax; mov eax_or_rax, cr3; mov dr7, eax_or_rax
    rep movsb; rep stosd; repne scasb; repe cmpsw; lodsb; insb; rep outsw
    mov ss, ax; mov ds, ax; mov ax, gs; lgdt [mem]; sidt [mem]; ltr ax; lldt ax; invlpg [mem]
    movzx eax, byte ptr [mem]; cmovg eax, ecx; setb al; bsf eax, ecx; popcnt eax, ecx; movbe eax, [mem]
    lock cmpxchg [mem], ecx; lock xadd [mem], ecx; xadd eax, ecx; bswap eax; shld eax, ecx, 5
    movaps xmm0, xmm1; pxor xmm2, xmm3; movdqu xmm0, [mem]; pshufb xmm0, xmm1
    fld qword ptr [mem]; fstp st(1); fnstcw [mem]; fxsave [mem]; ldmxcsr [mem]; fninit; emms
    andn eax, ecx, edx; tzcnt eax, ecx; lzcnt eax, ecx; crc32 eax, cl
    clac; stac; syscall; sysenter; lar eax, ecx; verr ax; smsw ax; lmsw ax; monitor; mwait; rdtscp
    prefetchw [mem]; clflush [mem]; mfence; lfence; sfence; les_or_lfs
"""
SPECIFIC = {
    Width.BITS16: ("eax", "bx + si + 4", "les bx, [bx]; aaa; daa; pusha; popa; bound ax, [bx]"),
    Width.BITS32: ("eax", "ebx + esi*4 + 0x1000", "lds ebx, [ebx]; aam; das; pushad; arpl ax, cx;"
                   "sysexit; aesenc xmm0, xmm1; adcx eax, ecx"),
    Width.BITS64: ("rax", "rip + 0x1000", "swapgs; iretq; sysretq; cdqe; movsxd rax, ecx;"
                   "mov r15, 0x123456789abcdef0; endbr64; cmpxchg16b [r8]; movsq; rdfsbase rax;"
                   "mov rax, cr8; aesdec xmm0, xmm1; adox eax, ecx"),
}  # fmt: skip


def source(width: Width) -> str:
    register, memory, extra = SPECIFIC[width]
    text = COMMON.replace("eax_or_rax", register).replace("[mem]", f"[{memory}]")
    return text.replace("les_or_lfs", extra).replace("; ", "\n").replace(";", "\n").replace("into_here:", "")


@pytest.mark.parametrize("width", list(Width))
def test_lengths_and_mnemonics_agree_with_objdump(width: Width, tmp_path: Path) -> None:
    code = assemble(source(width), width, tmp_path)
    listed = objdump(code, width, tmp_path)
    assert len(listed) > 100
    decoded = list(disassembler(width).iterate(code, 0))
    assert [(i.offset, i.length) for i in decoded] == [(line.offset, line.length) for line in listed]
    assert boundaries(code, width) == [line.offset for line in listed]
    for instruction, line in zip(decoded, listed, strict=True):
        assert length_at(code[line.offset :], width) == line.length
        words = line.text.split()
        named = words[1] if words[0] in ("rep", "repz", "repnz", "lock") else words[0]
        assert instruction.mnemonic.split()[-1][:2] == named[:2], (str(instruction), line.text)


def decode(code: str, width: Width = Width.BITS64, offset: int = 0x1000, cs_base: int = 0) -> Instruction:
    return disassembler(width).decode(bytes.fromhex(code), offset, cs_base)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("e8 00000000", Kind.CALL),
        ("ff d0", Kind.CALL | Kind.INDIRECT),
        ("ff 15 00010000", Kind.CALL | Kind.INDIRECT),
        ("eb fe", Kind.JUMP),
        ("74 02", Kind.JUMP | Kind.CONDITIONAL),
        ("e2 fe", Kind.JUMP | Kind.CONDITIONAL),
        ("c3", Kind.RETURN),
        ("48 cb", Kind.RETURN | Kind.FAR),
        ("cd 80", Kind.INTERRUPT),
        ("cc", Kind.INTERRUPT),
        ("48 cf", Kind.INTERRUPT_RETURN | Kind.LOADS_INTERRUPT_FLAG | Kind.PRIVILEGED),
        ("0f 05", Kind.SYSTEM_CALL),
        ("0f 34", Kind.SYSTEM_CALL),
        ("48 0f 07", Kind.SYSTEM_RETURN | Kind.LOADS_INTERRUPT_FLAG | Kind.PRIVILEGED),
        ("f4", Kind.HALT | Kind.PRIVILEGED),
        ("fb", Kind.INTERRUPT_SHADOW | Kind.LOADS_INTERRUPT_FLAG | Kind.PRIVILEGED),
        ("8e d0", Kind.INTERRUPT_SHADOW | Kind.PRIVILEGED),
        ("9d", Kind.LOADS_INTERRUPT_FLAG),
        ("ec", Kind.PORT_IN),
        ("e6 80", Kind.PORT_OUT),
        ("f3 6c", Kind.PORT_IN | Kind.STRING | Kind.REPEATED),
        ("f3 48 a5", Kind.STRING | Kind.REPEATED),
        ("a4", Kind.STRING),
        ("0f 0b", Kind.UNDEFINED),
        ("f3 90", Kind.NONE),
        ("f3 0f 1e fa", Kind.NONE),
        ("f2 0f 10 00", Kind.NONE),
        ("06", Kind.BAD),
    ],
)
def test_kinds(code: str, kind: Kind) -> None:
    privileged_or_not = ~Kind.PRIVILEGED
    assert decode(code).kind & privileged_or_not == kind & privileged_or_not
    if kind & (Kind.HALT | Kind.SYSTEM_RETURN):
        assert Kind.PRIVILEGED in decode(code).kind


@pytest.mark.parametrize(("code", "width"), [("17", Width.BITS32), ("8e d0", Width.BITS16)])
@pytest.mark.parametrize("syntax", list(Syntax))
def test_loading_ss_shadows_interrupts(code: str, width: Width, syntax: Syntax) -> None:
    assert Kind.INTERRUPT_SHADOW in Disassembler(width, syntax).decode(bytes.fromhex(code), 0).kind


def test_storing_ss_does_not_shadow() -> None:
    assert Kind.INTERRUPT_SHADOW not in decode("8c d0").kind


def test_endbr64_has_no_trailing_space() -> None:
    assert str(decode("f30f1efa")) == "endbr64"


def test_what_cannot_be_decoded_is_one_bad_byte() -> None:
    bad = decode("06 90")
    assert (bad.mnemonic, bad.length, bad.is_bad) == (BAD, 1, True)
    assert length_at(b"\x06", Width.BITS64) is None
    assert length_at(b"\xe8\x00", Width.BITS64) is None


@pytest.mark.parametrize(
    ("code", "width", "offset", "cs_base", "target"),
    [
        ("eb fe", Width.BITS64, 0x1000, 0, 0x1000),
        ("e8 fbefffff", Width.BITS64, 0, 0, 0xFFFF_FFFF_FFFF_F000),
        ("eb 10", Width.BITS16, 0xFFF0, 0xF_0000, 0xF_0002),
        ("e9 00 10", Width.BITS16, 0x10, 0x1_0000, 0x1_1013),
        ("66 e9 00 00 01 00", Width.BITS16, 0, 0, 0x1_0006),
        ("e9 f0ffffff", Width.BITS32, 0, 0, 0xFFFF_FFF5),
        ("e2 fe", Width.BITS32, 0x20, 0x40_0000, 0x40_0020),
    ],
)
def test_direct_target_is_linear_and_wraps_in_the_segment(
    code: str, width: Width, offset: int, cs_base: int, target: int
) -> None:
    assert decode(code, width, offset, cs_base).target == target


def test_target_that_wraps_is_written_as_it_is_reached() -> None:
    assert decode("e9 0d 00", Width.BITS16, 0xFFF0, 0xF_0000).operands == "0x0"
    assert decode("e8 00 80", Width.BITS16, 0x9000, 0).operands == "0x1003"


@pytest.mark.parametrize("syntax", list(Syntax))
def test_far_target_is_selector_and_offset(syntax: Syntax) -> None:
    jump = Disassembler(Width.BITS16, syntax).decode(bytes.fromhex("ea 34 12 00 f0"), 0)
    assert jump.far_target == (0xF000, 0x1234)
    assert jump.target is None
    assert Kind.FAR in jump.kind


def operand(code: str, width: Width = Width.BITS64) -> MemoryOperand:
    (only,) = decode(code, width).memory
    return only


def test_memory_operand_names_everything() -> None:
    found = operand("65 48 89 44 8b f0")
    assert found == MemoryOperand("gs", "rbx", "rcx", 4, -16, 8, OperandAccess.WRITE, 64)


@pytest.mark.parametrize(
    ("code", "segment"), [("8b 45 00", "ss"), ("8b 04 24", "ss"), ("8b 00", "ds"), ("64 8b 00", "fs")]
)
def test_default_segment(code: str, segment: str) -> None:
    assert operand(code).segment == segment


@pytest.mark.parametrize(
    ("code", "access"),
    [
        ("8b 00", OperandAccess.READ),
        ("89 00", OperandAccess.WRITE),
        ("01 00", OperandAccess.READ_WRITE),
        ("48 8d 00", OperandAccess.ADDRESS),
        ("0f 1f 00", OperandAccess.ADDRESS),
        ("0f 01 38", OperandAccess.ADDRESS),
        ("39 00", OperandAccess.READ),
        ("f0 0f b1 08", OperandAccess.READ_WRITE),
        ("0f c7 08", OperandAccess.READ_WRITE),
        ("c1 00 03", OperandAccess.READ_WRITE),
        ("d9 18", OperandAccess.WRITE),
        ("0f ae 18", OperandAccess.WRITE),
        ("0f 11 00", OperandAccess.WRITE),
        ("0f 10 00", OperandAccess.READ),
        ("66 0f d6 00", OperandAccess.WRITE),
        ("f3 0f 7e 00", OperandAccess.READ),
        ("f2 0f 11 00", OperandAccess.WRITE),
        ("ff 30", OperandAccess.READ),
        ("8f 00", OperandAccess.WRITE),
    ],
)
def test_access(code: str, access: OperandAccess) -> None:
    assert operand(code).access is access
    (in_att,) = Disassembler(Width.BITS64, Syntax.ATT).decode(bytes.fromhex(code), 0).memory
    assert in_att.access is access


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a4", [("es", "rdi", OperandAccess.WRITE), ("ds", "rsi", OperandAccess.READ)]),
        ("65 a4", [("es", "rdi", OperandAccess.WRITE), ("gs", "rsi", OperandAccess.READ)]),
        ("aa", [("es", "rdi", OperandAccess.WRITE)]),
        ("ac", [("ds", "rsi", OperandAccess.READ)]),
        ("ae", [("es", "rdi", OperandAccess.READ)]),
        ("6c", [("es", "rdi", OperandAccess.WRITE)]),
        ("6e", [("ds", "rsi", OperandAccess.READ)]),
        ("a6", [("ds", "rsi", OperandAccess.READ), ("es", "rdi", OperandAccess.READ)]),
    ],
)
def test_string_operands(code: str, expected: list[tuple[str, str, OperandAccess]]) -> None:
    assert sorted((m.segment, m.base, m.access.value) for m in decode(code).memory) == sorted(
        (segment, base, access.value) for segment, base, access in expected
    )


def test_address_size_prefix_narrows_the_operand() -> None:
    assert (operand("67 8b 00").base, operand("67 8b 00").address_size) == ("eax", 32)


def test_condition_suffix() -> None:
    assert [decode(c).condition for c in ("7f 00", "0f 4f c1", "0f 9f c0", "eb 00", "e3 00")] == [
        "g", "g", "g", None, None,
    ]  # fmt: skip


def test_att_syntax() -> None:
    assert str(Disassembler(Width.BITS64, Syntax.ATT).decode(b"\x89\xd8", 0)) == "movl %ebx, %eax"


@given(st.sampled_from(list(Width)), st.binary(min_size=1, max_size=64), st.integers(0, (1 << 64) - 1))
def test_any_bytes_decode_to_the_end(width: Width, code: bytes, offset: int) -> None:
    decoded = list(disassembler(width).iterate(code, offset & width.mask))
    assert b"".join(i.raw for i in decoded) == code
    assert all(1 <= i.length <= 15 for i in decoded)


@given(st.sampled_from(list(Width)), st.binary(min_size=1, max_size=64), st.integers(0, 64))
def test_boundary_from_is_the_first_boundary_not_before(width: Width, code: bytes, offset: int) -> None:
    expected = [start for start in boundaries(code, width) if start >= offset]
    if expected:
        assert boundary_from(code, width, offset) == expected[0]


@pytest.mark.parametrize("width", list(Width))
def test_instructions_before_are_found_whatever_the_window_cuts(width: Width, tmp_path: Path) -> None:
    body = "push ebp\nmov ebp, esp\nsub esp, 0x20\nmov eax, [ebp - 4]\nadd eax, 0x1234\ntest eax, eax\nje 1f\n"
    body = (body + "lea ecx, [eax + eax*2]\nxor edx, edx\n1: mov [ebp - 8], eax\ncall 1b\n") * 8
    if width is Width.BITS64:
        body = body.replace("ebp", "rbp").replace("sub esp", "sub rsp").replace("mov rbp, esp", "mov rbp, rsp")
    if width is Width.BITS16:
        body = body.replace("[eax + eax*2]", "[bx + si]")
    code = assemble(body, width, tmp_path)
    starts = boundaries(code, width)
    for index in range(30, len(starts)):
        for cut in range(10):
            window = code[starts[index] - 120 + cut : starts[index]] if starts[index] >= 130 else b""
            if window:
                shift = starts[index] - len(window)
                assert [shift + s for s in starts_before(window, width, 3)] == starts[index - 3 : index]


@given(st.sampled_from(list(Width)), st.binary(max_size=40))
def test_calls_before_are_all_calls_that_end_there(width: Width, code: bytes) -> None:
    for text in (code, code + b"\xff\xd4", code + b"\xe8" + code[:4], code + b"\x41\xff\x94\x24" + code[:4]):
        ends = [(start, disassembler(width).decode(text[start:], 0)) for start in range(len(text))]
        calls = [at for at, one in ends if at + one.length == len(text) and one.kind & Kind.CALL]
        assert calls_before(text, width) == [at for at in calls if len(text) - at <= 15]


@given(width=st.sampled_from(Width), linear=st.integers(0, 0xFFFF_FFFF), base=st.integers(0, 0xFFFF_FFFF))
def test_an_instruction_is_shown_where_it_was_asked_for_whatever_segment_the_cpu_is_in(
    width: Width, linear: int, base: int
) -> None:
    found = disassembler(width).decode_at(b"\xeb\x10", linear, base)
    assert found.address == linear
    assert found.target is not None
    wraps = 1 << min(width, 32)
    assert (found.target - linear - 0x12) % wraps == 0
    if (linear - base) % (1 << 32) < wraps and width is not Width.BITS64:
        assert found.offset == (linear - base) % (1 << 32)
        assert (found.target - base) % (1 << 32) < wraps


def test_code_at_addresses_of_64_bits_can_be_read_as_code_of_less() -> None:
    for width in (Width.BITS16, Width.BITS32):
        found = disassembler(width).decode_at(b"\xeb\x10", 0xFFFF_FFFF_8100_0000)
        assert (found.address, found.target) == (0xFFFF_FFFF_8100_0000, 0xFFFF_FFFF_8100_0012)
