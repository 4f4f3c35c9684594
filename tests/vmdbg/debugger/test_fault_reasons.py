"""What is said of faults: the selector, the gate, the bit or the address, for kernels assembled here."""

from __future__ import annotations

import pytest

from tests.vmdbg.boot.builders import assemble
from tests.vmdbg.gdb.guests import guest
from vmdbg.commands import catalog
from vmdbg.debugger.describe import fault_chain
from vmdbg.debugger.fault_reasons import chain_words, fault_reason
from vmdbg.debugger.stops import Ended, ExceptionStop
from vmdbg.engine.exits import TripleFault
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

HEAD = """
org 0x100000
bits 32
header: dd 0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16))
        dd header, header, 0, end + 0x8000, start
        align 16
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff, 0x00cf1b000000ffff, 0x00cffb000000ffff
        dq 0x00cff3000000ffff, 0
gdtr:   dw 63
        dd gdt
idtr:   dw {limit}
        dd idt
        align 16
idt:    times 256 * 2 dq 0
"""
PROTECTED = """
start:  lgdt [gdtr]
        jmp 8:.flat
.flat:  mov ax, 16
        mov ds, ax
        mov ss, ax
        mov esp, stack
        xor ecx, ecx
.gate:  mov eax, handler
        mov [idt + ecx * 8], ax
        mov word [idt + ecx * 8 + 2], 8
        mov word [idt + ecx * 8 + 4], 0x8e00
        shr eax, 16
        mov [idt + ecx * 8 + 6], ax
        inc ecx
        cmp ecx, 32
        jb .gate
        lidt [idtr]
        mov dword [task + 4], stack
        mov word [task + 8], 16
        mov word [gdt + 0x38], 0x67
        mov eax, task
        mov [gdt + 0x3a], ax
        shr eax, 16
        mov [gdt + 0x3c], al
        mov word [gdt + 0x3d], 0x89
        mov ax, 0x38
        ltr ax
        {body}
handler: hlt
        align 16
task:   times 104 db 0
        times 1024 db 0
stack:
end:
"""
LONG = """
start:  lgdt [gdtr]
        mov edi, tables
        mov dword [edi], tables + 0x1003
        mov dword [edi + 0x1000], 0x83
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov cr3, edi
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x100
        wrmsr
        mov eax, cr0
        or eax, 0x80000001
        mov cr0, eax
        jmp 24:wide
bits 64
wide:   mov esp, stack
        xor ecx, ecx
.gate:  mov eax, handler
        mov ebx, ecx
        shl ebx, 4
        mov [idt + rbx], ax
        mov word [idt + rbx + 2], 24
        mov word [idt + rbx + 4], 0x8e00
        shr eax, 16
        mov [idt + rbx + 6], ax
        inc ecx
        cmp ecx, 32
        jb .gate
        lidt [idtr64]
        {body}
handler: hlt
idtr64: dw {limit}
        dq idt
        align 4096
tables: times 0x2000 db 0
        times 1024 db 0
stack:
end:
"""


def _stopped(source: str, body: str, vector: int, limit: int = 0xFFF) -> str:
    code = assemble(HEAD.format(limit=limit) + source.format(body=body, limit=limit))
    with guest(code) as made:
        session = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE)
        session.run(f"catch {vector}")
        shown = session.execute("continue")
        stop = made.debugger.last_stop
        assert isinstance(stop, ExceptionStop), shown
        words = fault_reason(made.debugger.machine, stop.delivery)
        assert words in shown
        return words


@pytest.mark.parametrize(
    ("body", "vector", "words"),
    [
        ("mov ax, 0x80\n mov ds, ax", 13, "selector 0x80 is beyond the GDT's limit 0x3f"),
        ("mov dword [gdt + 0x34], 0\n mov ax, 0x30\n mov ds, ax", 13, "0x30 names an entry of the GDT that is none"),
        ("jmp 0x20:0", 11, "selector 0x20, 32-bit code, execute/read, is not present"),
        ("jmp 0x10:0", 13, "selector 0x10 is 32-bit data, read/write, DPL 0, and ljmp needs code"),
        ("mov ax, 8\n mov ss, ax", 13, "and SS needs writable data of DPL 0"),
        ("mov ax, 0x38\n mov ds, ax", 13, "selector 0x38 is TSS, busy, DPL 0, and ring 0 may not have it so"),
        ("mov ax, 0x30\n mov ss, ax", 13, "DPL 3, and SS needs writable data of DPL 0"),
        ("int 0x90", 13, "the IDT's gate 0x90 is none"),
        ("mov eax, 0x80000000\n mov cr0, eax", 13, "cr0 cannot become 0x80000000 (PG on, ET off, PE off): PG wi"),
        ("mov eax, 0x40000\n mov cr4, eax", 13, "cr4 cannot become 0x40000 (OSXSAVE on)"),
        ("mov ecx, 0xc0000080\n mov edx, -1\n wrmsr", 13, "MSR 0xc0000080 cannot become 0xffffffff"),
        ("push 0\n push 0\n retf", 13, "retf would return to 0x0:0x0, and CS may not be null"),
        ("push 0x33\n push stack\n push 0x3002\n push 0x2b\n push .user\n iret\n.user: hlt", 13,
         "hlt is for ring 0, and this is ring 3"),
        ("push 0x33\n push stack\n push 0x2\n push 0x2b\n push .user\n iret\n.user: cli", 13,
         "cli is for rings up to IOPL 0, and this is ring 3"),
        ("movaps xmm0, [stack + 4]", 13, ""),
    ],
)  # fmt: skip
def test_protected_mode(body: str, vector: int, words: str) -> None:
    if body.startswith("movaps"):
        body = "mov eax, cr4\n or eax, 0x200\n mov cr4, eax\n movaps xmm0, [stack - 28]"
        words = "must be at a multiple of 16"
    assert words in _stopped(PROTECTED, body, vector)


@pytest.mark.parametrize(
    ("body", "vector", "words"),
    [
        ("mov rax, 0x8000000000000000\n mov rbx, [rax + 8]", 13, "is at 0x8000000000000008, which is not canonical"),
        ("mov rax, 0x8000000000000000\n jmp rax", 13, "jmp rax would lead to 0x8000000000000000, which is"),
        ("mov rax, 0x8000000000000000\n call rax", 13, "call rax would lead to 0x8000000000000000, which is"),
        ("mov rax, 0x4141414141414141\n push rax\n ret", 13, "ret would lead to 0x4141414141414141, which is"),
        ("mov rax, 0x4141414141414141\n push rax\n jmp [rsp]", 13, "would lead to 0x4141414141414141, which is not"),
        ("mov eax, 0x5\n mov cr8, rax\n mov eax, 16\n mov cr8, rax", 13, "cr8 cannot become 0x10"),
        ("mov rax, 0x100000011\n mov cr0, rax", 13, "bits above 31"),
        ("mov eax, 0x11\n mov cr0, rax", 13, "64-bit code cannot turn paging off"),
        ("mov word [idt + 0x30 * 16 + 2], 16\n mov word [idt + 0x30 * 16 + 4], 0x8e00\n int 0x30", 13,
         "selector 0x10 is 32-bit data"),
    ],
)  # fmt: skip
def test_long_mode(body: str, vector: int, words: str) -> None:
    assert words in _stopped(LONG, body, vector)


def test_a_chain_says_where_it_began_and_why_each_handler_was_not_entered() -> None:
    code = assemble(HEAD.format(limit=0x3F) + PROTECTED.format(body="mov ax, 0x80\n mov ds, ax"))
    with guest(code) as made:
        shown = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE).execute("continue")
        stop = made.debugger.last_stop
        assert isinstance(stop, Ended)
        assert isinstance(stop.outcome, TripleFault)
        machine = made.debugger.machine
        words = [(one.vector, why) for one, why in chain_words(machine, fault_chain(machine.engine.deliveries()))]
        began = "selector 0x80 is beyond the GDT's limit 0x3f"
        failed = "its handler could not be entered: the IDT's gate {} is beyond the IDT's limit 0x3f"
        assert words == [(13, f"{began}; {failed.format('#GP')}"), (8, failed.format("#DF"))]
        assert all(why in shown for _, why in words)


def test_an_exception_of_ring_3_without_a_stack_for_ring_0_is_told() -> None:
    body = "mov word [task + 8], 0\n push 0x33\n push stack\n push 2\n push 0x2b\n push .user\n iret\n.user: hlt"
    with guest(assemble(HEAD.format(limit=0xFFF) + PROTECTED.format(body=body))) as made:
        shown = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE).execute("continue")
        assert "hlt is for ring 0, and this is ring 3; its handler could not be entered: SS0 of the TSS is" in shown


def test_a_stack_that_a_gate_names_and_that_is_nowhere_is_told() -> None:
    body = """
        mov byte [idt + 13 * 16 + 4], 1
        mov byte [idt + 14 * 16 + 5], 0
        mov byte [idt + 8 * 16 + 5], 0
        mov rbx, 0x8000000000000000
        mov rax, [rbx]
    """
    with guest(assemble(HEAD.format(limit=0xFFF) + LONG.format(body=body, limit=0xFFF))) as made:
        shown = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE).execute("continue")
        assert "is at 0x8000000000000000, which is not canonical; its handler could not be entered: nothing" in shown
        assert "can be pushed where IST1 of the TSS is, 0x0: PML4E: not present" in shown
