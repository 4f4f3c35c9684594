"""Firmware runs in ROM from the reset vector on; what it stores there is lost."""

from __future__ import annotations

from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import HaltedForever
from vmdbg.machine.power_on import power_on
from vmdbg.units import Physical, Tick

MEMORY = 16 << 20
FIRMWARE = """
bits 16
org 0
%macro say 1
    mov al, %1
    out 0e9h, al
%endmacro
real:
    say 'R'
    o32 lgdt [cs:table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:0ffff0000h + protected
bits 32
protected:
    mov ax, 16
    mov ds, ax
    say 'P'
    mov ebx, 0ffff0000h + word_in_rom
    mov dword [ebx], 12345678h
    cmp dword [ebx], 11223344h
    jne bad
    say 's'
    mov ecx, 1
    lock xadd [ebx], ecx
    cmp dword [ebx], 11223344h
    jne bad
    say 'x'
    add byte [ebx], 1
    cmp byte [ebx], 44h
    jne bad
    say 'a'
    hlt
bad:
    say '!'
    hlt
word_in_rom: dd 11223344h
    align 8
table:
    dw 23
    dd 0ffff0000h + descriptors
    align 8
descriptors:
    dq 0, 00cf9b000000ffffh, 00cf93000000ffffh
    times 0fff0h - ($ - $$) db 0
bits 16
    jmp real
    times 10000h - ($ - $$) db 0
"""


def test_code_runs_in_rom_and_stores_to_it_are_lost() -> None:
    machine = Machine(MachineConfig(memory=MEMORY), UnicornEngine)
    try:
        firmware = assemble(FIRMWARE)
        power_on(machine, boot_image(BootOptions(memory=MEMORY, bios=InputFile("firmware", memoryview(firmware)))))
        printed = bytearray()
        machine.debug_console.listeners.append(lambda _port, data, _now: printed.extend(data))
        assert isinstance(machine.run(Tick(1 << 40)), HaltedForever)
        assert printed == b"RPsxa"
        assert machine.engine.read_physical(Physical((1 << 32) - len(firmware)), len(firmware)) == firmware
    finally:
        machine.close()
