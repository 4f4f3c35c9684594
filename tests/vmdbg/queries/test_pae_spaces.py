"""Two processes under PAE paging, whose page-directory-pointer tables share a page, as those of 32-bit Linux do."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

import vmdbg
from tests.guests.build import assemble
from vmdbg.debugger.stops import BreakpointStop

SPACES = (0x200000, 0x200020)
MAGIC = b"LABELS!!"
BOTH_CALL = """
; Both call `function` in ring 3 from the same place with the same stack pointer, and are switched inside of it.
; org 100000h
%include "protected.inc"
PDPT equ PAGE_DIRECTORY
OTHER_PDPT equ PDPT + 20h
PD0 equ PAGE_DIRECTORY + 1000h
PD1 equ PAGE_DIRECTORY + 2000h          ; and the other process's behind it
PAGE_TABLE equ PAGE_DIRECTORY + 4000h   ; likewise
OWN equ 40000000h                       ; a page of its own: its number, and its stack
    mov edi, PAGE_DIRECTORY
    mov ecx, 6000h / 4
    xor eax, eax
    rep stosd
    mov dword [PDPT], PD0 + 1
    mov dword [OTHER_PDPT], PD0 + 1
    mov dword [PDPT + 8], PD1 + 1
    mov dword [OTHER_PDPT + 8], PD1 + 1001h
    mov dword [PD0], 87h
    mov dword [PD0 + 8], 200087h
    mov dword [PD1], PAGE_TABLE + 7
    mov dword [PD1 + 1000h], PAGE_TABLE + 1007h
    mov dword [PAGE_TABLE], TEST_PAGES + 7
    mov dword [PAGE_TABLE + 1000h], TEST_PAGES + 1007h
    mov dword [TEST_PAGES], 1
    mov dword [TEST_PAGES + 1000h], 2
    mov eax, cr4
    or eax, 20h                         ; PAE
    mov cr4, eax
    mov eax, PDPT
    mov cr3, eax
    mov eax, cr0
    or eax, 80000000h                   ; PG
    mov cr0, eax
    set_handler 80h, switch
    enter_ring3 user
    finish 0

    align 16
user:
    mov esp, OWN + 1000h
    call function
    lock inc dword [returned]
    cmp dword [returned], 2
    je .end
    int 80h
.end:
    int 81h
    align 16
function:
    int 80h
    mov eax, [OWN]
    ret

switch:                                 ; to where the other process was switched
    mov eax, [ebp + FRAME_EIP]
    xchg eax, [elsewhere]
    mov [ebp + FRAME_EIP], eax
    mov eax, [ebp + FRAME_ESP]
    xchg eax, [elsewhere + 4]
    mov [ebp + FRAME_ESP], eax
    mov eax, cr3
    xor eax, OTHER_PDPT ^ PDPT
    mov cr3, eax
    ret
    align 4
elsewhere:
    dd user, 0
returned:
    dd 0
    align 8
    db "LABELS!!"
    dq function
"""


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[vmdbg.Guest, int]]:
    """When both have ended, and where the function is."""
    image = assemble(BOTH_CALL, bits=32)
    (function,) = struct.unpack_from("<Q", image, image.index(MAGIC) + len(MAGIC))
    with vmdbg.launch(image, memory="4M") as guest:
        guest.run()
        yield guest, function


def test_a_call_returns_in_the_process_that_made_it(processes: tuple[vmdbg.Guest, int]) -> None:
    guest, function = processes
    first, second = guest.queries.calls(function, arguments=0)
    assert (first.cr3, second.cr3) == SPACES
    assert (first.value, second.value) == (1, 2)
    assert first.position < second.position
    assert first.returned is not None
    assert second.returned is not None
    assert second.position < first.returned < second.returned


def test_a_system_call_returns_in_the_process_that_made_it(processes: tuple[vmdbg.Guest, int]) -> None:
    guest, function = processes
    first, second = [row for row in guest.queries.system_calls() if row.pc in range(function, function + 8)]
    assert (first.cr3, second.cr3) == SPACES
    assert first.returned is not None
    assert second.returned is not None
    assert second.position < first.returned < second.returned


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("flags", [0, 0x18])
def test_a_breakpoint_of_one_space_stops_in_that_alone(
    processes: tuple[vmdbg.Guest, int], space: int, flags: int
) -> None:
    guest, function = processes
    guest.delete()
    guest.seek("start")
    guest.execute(f"break {function:#x} --cr3 {space | flags:#x}")
    assert isinstance(guest.run(), BreakpointStop)
    assert guest.registers["cr3"] == space
    assert guest.memory.u32(0x40000000) == 1 + SPACES.index(space)
    assert not isinstance(guest.run(), BreakpointStop)
