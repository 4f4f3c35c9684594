"""A boot sector through every mode of the CPU: where the pc is, and what is disassembled there."""

from __future__ import annotations

import re

import pytest

from tests.guests.build import assemble, assemble_file
from tests.guests.kernel32 import kernel32
from tests.vmdbg.gdb.guests import assembled_guest, firmware_guest, gdb, guest, lldb
from vmdbg.gdb.architecture import choose


def test_real_mode_in_the_i8086_layout(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        output = gdb(gdb_client, guest.debugger, "x/3i $pc", "info registers eip cs", view=choose("i8086"))
    assert "=> 0x7c00:\t" in output
    assert re.search(r"eip +0x7c00", output)


def test_architecture_is_switched_by_hand_in_the_i8086_layout(gdb_client: list[str]) -> None:
    look = "x/i 0x7c02"
    commands = [look, "set architecture i386", look, "set architecture i8086", look]
    with assembled_guest("modes") as guest:
        output = gdb(gdb_client, guest.debugger, *commands, view=choose("i8086"))
    in_16_bits, in_32_bits, again = re.findall(r"0x7c02:\t(.*)", output)
    assert in_16_bits == again == "ljmp   $0x0,$0x7c07"
    assert in_32_bits.startswith("ljmp ")
    assert in_32_bits != in_16_bits


def test_linear_pc_in_a_real_mode_segment(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        guest.debugger.write_register("cs", 0x7C0)
        guest.debugger.write_register("cs_base", 0x7C00)
        guest.debugger.write_register("rip", 0)
        output = gdb(
            gdb_client,
            guest.debugger,
            "print/x $pc",
            "print/x $linear_pc",
            "set $pc = 0x7c02",
            "print/x $linear_pc",
            "x/i $pc",
            "disconnect",
        )
        assert guest.debugger.engine.read_register("rip") == 2
    assert "$1 = 0x7c00" in output
    assert "$2 = 0x7c00" in output
    assert "$3 = 0x7c02" in output


MODES = {
    "R": "real mode",
    "P": "16-bit protected mode",
    "Q": "32-bit protected mode",
    "C": "32-bit compatibility mode",
    "L": "64-bit mode",
    "c": "32-bit compatibility mode",
    "q": "32-bit protected mode",
    "p": "16-bit protected mode",
    "r": "real mode",
}
HELPER = 'python exec(gdb.execute("monitor gdb-helper", to_string=True))'


def places() -> dict[str, int]:
    """Where each letter is printed, by `mov al, LETTER; out 0e9h, al`."""
    image = assemble_file("modes")
    return {letter: 0x7C00 + image.index(b"\xb0%c\xe6\xe9" % ord(letter)) for letter in MODES}


def test_disassembly_follows_the_mode_with_the_helper(gdb_client: list[str]) -> None:
    commands = [HELPER, "x/3i $pc"]
    for place in places().values():
        commands += [f"tbreak *{place:#x}", "continue", "x/2i $pc", "info threads"]
    with assembled_guest("modes") as guest:
        output = gdb(gdb_client, guest.debugger, *commands)
    assert "0x7c02:\tljmpw $0x0:$0x7c07" in output
    for letter, place in places().items():
        shown = "mov    $0x4c,%al" if letter == "L" else f"movb $0x{ord(letter):x}, %al"
        assert f"=> {place:#x}:\t{shown}" in output
        assert MODES[letter] in output


FIRMWARE = """
bits 16
org 0
rom:
    nop
    jmp 0f000h:shadow
shadow:
    xor di, di
    mov es, di
    mov di, 7c00h
    mov si, sector
    mov cx, 512
    cs rep movsb
    jmp 0:7c00h
sector:
    db {sector}
    times 0fff0h - ($ - $$) db 0
    jmp rom
    times 10000h - ($ - $$) db 0
"""


def firmware() -> bytes:
    """From the reset vector through ROM and its copy below 1 MiB to the boot sector of all modes."""
    return assemble(FIRMWARE.format(sector=",".join(map(str, assemble_file("modes")))))


@pytest.mark.cell("real mode and mode switches")
def test_session_from_the_reset_vector_through_every_mode(gdb_client: list[str]) -> None:
    look = "x/i $pc"
    commands = [HELPER, look, "stepi", look, "stepi 2", look, "watch *(char *) 0x7c02", "continue", "delete"]
    for place in places().values():
        commands += [f"tbreak *{place:#x}", "continue", look, "info threads"]
    with firmware_guest(firmware()) as guest:
        output = gdb(gdb_client, guest.debugger, *commands, "reverse-continue", look)
    pcs = ["0xfffffff0:\tjmp 0xffff0000", "0xffff0000:\tnop", "0xf0006:\txorw %di, %di"]
    assert all(f"=> {shown}" in output for shown in pcs), output
    assert "New value = -22 '\\352'" in output
    for letter, place in places().items():
        assert re.search(rf"=> {place:#x}:\tmovb? +\$0x{ord(letter):x}, ?%al", output)
        assert MODES[letter] in output
    assert output.count("=> 0xfffffff0:") == 2


def test_real_mode_layout_from_the_reset_vector(gdb_client: list[str]) -> None:
    with firmware_guest(firmware()) as guest:
        commands = ["stepi 3", "x/2i $pc", "break *0x7c00", "continue"]
        output = gdb(gdb_client, guest.debugger, *commands, view=choose("i8086"))
    assert "=> 0xf0006:\txor    %di,%di\n   0xf0008:\tmov    %di,%es" in output
    assert "Breakpoint 1, 0x00007c00" in output


@pytest.mark.cell("real mode and mode switches")
def test_lldb_is_told_where_it_is_in_every_mode(lldb_client: list[str]) -> None:
    commands = []
    for place in places().values():
        commands += [f"breakpoint set -o true -a {place:#x}", "continue", "register read rip linear_pc cr0"]
    with assembled_guest("modes") as guest:
        output = lldb(lldb_client, guest.debugger, *commands)
    for place in places().values():
        assert f"rip = 0x{place:016x}" in output
        assert f"linear_pc = 0x{place:016x}" in output


@pytest.mark.cell("32-bit kernels")
def test_lldb_is_shown_a_32_bit_kernel_with_default_options(lldb_client: list[str]) -> None:
    kernel = kernel32()
    with guest(kernel.read_bytes()) as it:
        commands = ("breakpoint set -n add", "continue", "bt", "frame variable a b", "register read eip cr0")
        output = lldb(lldb_client, it.debugger, *commands, file=kernel)
    assert "stop reason = breakpoint 1.1" in output
    assert "kernel_main" in output
    assert "(int) b = 3" in output
    assert "eip = 0x001010" in output


def test_layout_follows_a_kernel_that_goes_to_long_mode(gdb_client: list[str]) -> None:
    """The client that is there keeps what it has, and is told; the next one is shown all."""
    kernel = kernel32(long=True)
    with guest(kernel.read_bytes()) as it:
        first = gdb(gdb_client, it.debugger, "break add", "continue", "print $eip", "stepi", "disconnect", file=kernel)
        second = gdb(gdb_client, it.debugger, "print $efer", "print $r8", "info line *$pc")
    assert "rejected" not in first
    assert first.count("the CPU is in long mode now") == 1
    assert re.search(r"\$1 = .*0x1010", first)
    assert "LMA" in second
    assert re.search(r"\$2 = \d", second)
