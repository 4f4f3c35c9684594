"""Page tables mean what they mean to the guest's CPU: its model, and address line 20."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

import vmdbg
from tests.guests.build import assemble
from tests.vmdbg.debugger.programs import MAGIC, program, run_to
from tests.vmdbg.gdb.guests import guest
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.memory import paging_of
from vmdbg.units import Linear, Physical
from vmdbg.x86.mappings import mappings
from vmdbg.x86.memory_search import search_linear
from vmdbg.x86.page_walk import walk

WINDOW, PDPT, FAR = 0x40000000, 0x201000, 0x80000000
PAE_TABLE = 0x203000
READS = """
    mov eax, 80000000h
reads:
    mov rax, [rax]
    nop
"""
OF_PAE = """
; org 100000h
%include "protected.inc"
    mov edi, PAGE_DIRECTORY
    mov ecx, 1000h
    xor eax, eax
    rep stosd
    mov dword [PAGE_DIRECTORY], PAGE_DIRECTORY + 1001h
    mov dword [PAGE_DIRECTORY + 8], PAGE_DIRECTORY + 2001h
    mov dword [PAGE_DIRECTORY + 1000h], 83h
    mov dword [PAGE_DIRECTORY + 1008h], 200083h
    mov dword [PAGE_DIRECTORY + 2000h], PAGE_DIRECTORY + 3003h
    mov eax, cr4
    or eax, 20h
    mov cr4, eax
    mov eax, PAGE_DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 80000000h
    mov cr0, eax
reads:
    mov eax, [40000000h]
    finish 0
    db "LABELS!!"
    dd reads
"""
READ_HIGH = b"\x26\xa1\x10\x05"
BIT_20 = """
bits 16
org 7c00h
    cli
    xor ax, ax
    mov ds, ax
    dec ax
    mov es, ax
    in al, 92h
    and al, 0fdh
    out 92h, al
    mov word [500h], 1234h
    mov word [es:510h], 0abcdh
    mov al, 0ddh                    ; the keyboard controller lets go of the line
    out 64h, al
    mov ax, [es:510h]
    mov word [es:512h], 5678h
    mov al, 0dfh
    out 64h, al
    hlt
    times 510 - ($ - $$) db 0
    dw 0aa55h
"""


def faults(debugger: Debugger, table: int, entry: int) -> bool:
    """Whether the next instruction does, with that entry of a table."""
    debugger.physical.write(Physical(table), entry.to_bytes(8, "little"))
    deliveries = debugger.engine.delivery_count
    debugger.timeline.step()
    if debugger.engine.delivery_count == deliveries:  # that was the input
        debugger.timeline.step()
    return debugger.engine.delivery_count > deliveries


def is_unmapped(debugger: Debugger, linear: int) -> bool:
    """Of all that read page tables alike."""
    paging = paging_of(debugger.engine)
    found = walk(debugger.physical, paging, Linear(linear))
    assert debugger.linear().translate(Linear(linear)) == found.physical
    ranges = list(mappings(debugger.physical, paging, linear, linear + 1))
    assert [one.physical for one in ranges] == ([found.physical] if found.physical is not None else [])
    return found.physical is None


@pytest.mark.parametrize("model", ["x86-64", "x86-64-v2", "base", "x86-64-v3", "base,-pdpe1gb"])
@pytest.mark.parametrize("entry", [0x83, 0x1083, 0x2083, 0x20000083, 1 << 39 | 0x83, 1 << 40 | 0x83, 1 << 51 | 0x83])
def test_pages_of_a_gibibyte_are_mapped_where_the_model_has_them(model: str, entry: int) -> None:
    with program(READS, "reads", cpu=model) as (debugger, at, _):
        run_to(debugger, at["reads"])
        assert faults(debugger, PDPT + 16, entry) == is_unmapped(debugger, FAR)


@pytest.mark.parametrize("model", ["pentium2", "i686", "base"])
@pytest.mark.parametrize("bit", [35, 36, 39, 40, 62])
def test_physical_addresses_have_the_bits_of_the_model(model: str, bit: int) -> None:
    image = assemble(OF_PAE, bits=32)
    (reads,) = struct.unpack_from("<I", image, image.index(MAGIC) + len(MAGIC))
    with guest(image, cpu=model) as made:
        run_to(made.debugger, reads)
        assert faults(made.debugger, PAE_TABLE, 1 << bit | 0x210003) == is_unmapped(made.debugger, WINDOW)


def to_the_read(made: vmdbg.Guest) -> None:
    made.seek("start")
    for _ in range(100):
        if made.memory[made.pc : made.pc + 4] == READ_HIGH:
            return
        made.step()
    raise AssertionError("it never reads")


@pytest.fixture(scope="module")
def gated() -> Iterator[vmdbg.Guest]:
    with vmdbg.launch(assemble(BIT_20), memory="4M") as made:
        made.run(10_000)
        yield made


def test_with_line_20_held_low_memory_is_what_the_guest_finds_there(gated: vmdbg.Guest) -> None:
    debugger, high = gated.debugger, Linear(0x100500)
    for _ in range(2):  # by steps, and when it comes back
        to_the_read(gated)
        paging = paging_of(debugger.engine)
        assert gated.memory.u16(high) == gated.memory.u16("ffff:510") == 0x1234
        assert int(gated.execute("p u16(0x100500)").split()[0], 0) == 0x1234
        assert debugger.linear().translate(high) == debugger.engine.translate(high) == 0x500
        assert debugger.engine.read_linear(Linear(0xFFF00), 0x602)[-2:] == b"\x34\x12"
        assert debugger.engine.read_integer(high, 2) == 0x1234
        assert walk(debugger.physical, paging, high).physical == 0x500
        (found,) = mappings(debugger.physical, paging, high, high + 2)
        assert found.physical == 0x500
        places = list(search_linear(debugger.physical, paging, b"\x34\x12", 0x500, 0x200000))
        assert {0x500, 0x100500} <= set(places)
        gated.step()
        assert gated.registers.ax == 0x1234
        gated.seek("end")
        assert gated.memory.u16(high) == 0xABCD
        assert debugger.engine.translate(high) == high
    assert (gated.physical.u16(0x502), gated.physical.u16(0x100502)) == (0x5678, 0)


def test_a_write_of_the_debuggers_goes_where_the_guests_would() -> None:
    with vmdbg.launch(assemble(BIT_20), memory="4M") as made:
        to_the_read(made)
        made.memory.write("ffff:510", b"\x21\x43")
        made.step()
        assert made.registers.ax == 0x4321
