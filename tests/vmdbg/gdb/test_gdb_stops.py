"""Why gdb says that the guest stopped: conditions, watchpoints, exceptions, the end."""

from __future__ import annotations

import re

import pytest

from tests.vmdbg.debugger.programs import program
from tests.vmdbg.gdb.guests import assembled_guest, gdb

COUNTING = """
    xor ebx, ebx
again:
    inc rbx
hot:
    mov [counter], rbx
    mov rax, [counter]
later:
    cmp rbx, 20000
    jb again
    finish 0
    align 8
counter: dq 0
"""
EXTENDED = "target extended-remote {port}"


@pytest.mark.cell("conditions evaluated in vmdbg")
def test_conditions_are_evaluated_here(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot", "counter") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"break *{at['hot']:#x} if $rbx == 10000 && *(long *) {at['counter']:#x} == $rbx - 1",
            "set debug remote 1",
            "continue",
            "set debug remote 0",
            "print $rbx",
        )
    assert "$1 = 10000" in output
    assert output.count("Packet received: T05") == 1


@pytest.mark.cell("conditions that the client evaluates")
def test_condition_that_gdb_must_evaluate_itself(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(gdb_client, debugger, f"break *{at['hot']:#x} if (double) $rbx > 4.5", "continue", "print $rbx")
    assert "$1 = 5" in output


@pytest.mark.cell("print without a stop")
def test_commands_print_without_a_stop(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot", "later") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            "set dprintf-style agent",
            f'dprintf *{at["hot"]:#x},"round %d at %#lx\\n", $rbx, $rip',
            f"break *{at['later']:#x} if $rbx == 3",
            "continue",
        )
    assert all(f"round {number} at {at['hot']:#x}" in output for number in (1, 2, 3))


def test_condition_that_cannot_be_read_stops(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(
            gdb_client, debugger, f"break *{at['hot']:#x} if *(long *) 0x7fff00000000 == 5", "continue", "print $rbx"
        )
    assert "Cannot access memory at address 0x7fff00000000" in output
    assert "$1 = 1" in output


@pytest.mark.parametrize(("command", "name"), [("rwatch", "Value"), ("awatch", "Value"), ("watch", "New value")])
def test_watchpoint_kinds(gdb_client: list[str], command: str, name: str) -> None:
    with program(COUNTING, "hot", "counter") as (debugger, at, _):
        output = gdb(gdb_client, debugger, f"{command} *(long *) {at['counter']:#x}", "continue", "continue")
    assert f"{name} = 1" in output


def test_a_thousand_breakpoints_and_a_large_watchpoint(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot", "counter") as (debugger, at, _):
        commands = [f"python [gdb.Breakpoint('*%#x' % ({at['counter'] + 64:#x} + n)) for n in range(1000)]"]
        commands += [f"watch *(char (*)[4096]) {at['counter'] & ~0xFFF:#x}", "continue"]
        output = gdb(gdb_client, debugger, "set breakpoint pending off", *commands, "print $rbx")
    assert "Hardware watchpoint" in output
    assert "$1 = " in output


@pytest.mark.cell("exceptions and events caught")
def test_caught_exception(gdb_client: list[str]) -> None:
    with assembled_guest("long_exceptions") as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "monitor catch #DE",
            "continue",
            "monitor catch #UD",
            "monitor uncatch #DE",
            "continue",
        )
    assert "caught #DE at 0x" in output
    assert "Program received signal SIGFPE" in output
    assert "caught #UD at 0x" in output
    assert "Program received signal SIGILL" in output


@pytest.mark.cell("exceptions and events caught")
def test_caught_events(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "monitor catch mode",
            "continue",
            "monitor uncatch all",
            "monitor catch cr3",
            "continue",
        )
    assert "caught a mode switch" in output
    assert "caught a load of cr3: 0x0 becomes 0x10000" in output


def test_triple_fault_shows_its_chain(gdb_client: list[str]) -> None:
    with assembled_guest("triple_fault") as guest:
        output = gdb(gdb_client, guest.debugger, "continue", "reverse-stepi", "kill", connect=EXTENDED)
    struck = r"#UD at 0x\w+ in ring 0; its handler could not be entered.*"
    assert re.search(rf"triple fault: the CPU shut down\n  {struck}\n  #GP .*\n  #DF at", output)
    assert "[Inferior 1 (process 1) killed]" in output


def test_guest_that_halts_for_ever(gdb_client: list[str]) -> None:
    with assembled_guest("halt_forever") as guest:
        output = gdb(gdb_client, guest.debugger, "continue", "kill", connect=EXTENDED)
    assert "the guest halted for ever: interrupts are off" in output


@pytest.mark.cell("run again")
def test_run_starts_again(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"break *{at['hot']:#x} if $rbx == 3",
            "continue",
            "run",
            "print $rbx",
            "delete",
            "continue",
            connect=EXTENDED,
        )
    assert "$1 = 3" in output
    assert "exited normally" in output


@pytest.mark.cell("backwards")
def test_both_ways_in_time(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"break *{at['hot']:#x} if $rbx == 3 || $rbx == 6",
            "continue",
            "continue",
            "reverse-continue",
            "print $rbx",
            "reverse-stepi",
            "stepi",
            "print $rbx",
            "reverse-continue",
        )
    assert "$1 = 3" in output
    assert "$2 = 3" in output
    assert re.search("No more reverse-execution history|Backward execution from here not possible", output)


def test_unmapped_memory_fails_at_once(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, _, _guest):
        output = gdb(gdb_client, debugger, "x/4xg 0xffff800000000000", "x/xb 0x12345678900", "bt")
    assert "Cannot access memory at address 0xffff800000000000" in output


@pytest.mark.cell("physical memory")
def test_physical_memory_mode(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, _at, _):
        output = gdb(
            gdb_client,
            debugger,
            "maintenance packet Qqemu.PhyMemMode:1",
            "x/2xb 0x100000",
            "x/xb 0x1000000",
            "maintenance packet qqemu.PhyMemMode",
        )
    assert 'received: "OK"' in output
    assert "Cannot access memory at address 0x1000000" in output
    assert 'received: "1"' in output


ALIASES = """
    mov qword [WINDOW_PT], shared + P + W
    mov rsi, PML4
    mov rdi, TEST_PAGES
    mov ecx, 512
    rep movsq
    mov eax, TEST_PAGES
    mov cr3, rax
    mov rdi, WINDOW + 8
    mov qword [rdi], 1
by_alias:
    mov rdi, shared + 8
    mov qword [rdi], 2
by_name:
    finish 0
    align 4096
shared: dq 0, 0
"""


@pytest.mark.parametrize(("physical", "place", "value"), [(1, "by_alias", 1), (0, "by_name", 2)])
def test_watchpoint_in_another_address_space(gdb_client: list[str], physical: int, place: str, value: int) -> None:
    with program(ALIASES, "by_alias", "by_name", "shared") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"maintenance packet Qqemu.PhyMemMode:{physical}",
            f"watch *(long *) {at['shared'] + 8:#x}",
            "continue",
            "print/x $pc",
        )
    assert f"New value = {value}" in output
    assert f"= {at[place]:#x}" in output


def test_step_mask_of_qemu_chooses_the_step_mode(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, _at, _):
        output = gdb(
            gdb_client,
            debugger,
            "maintenance packet qqemu.sstep",
            "maintenance packet Qqemu.sstep=1",
            "monitor step-mode",
            "maintenance packet qqemu.sstepbits",
        )
    assert 'received: "0x7"' in output
    assert "architectural" in output
    assert "ENABLE=1,NOIRQ=2,NOTIMER=4" in output


@pytest.mark.cell("find and compare memory")
def test_find_and_compare_memory(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(gdb_client, debugger, "find /b 0x100000, 0x103000, 0x48, 0xff, 0xc3", f"info line *{at['hot']:#x}")
    assert f"{at['hot'] - 3:#x}" in output


@pytest.mark.cell("system registers")
def test_system_registers_are_shown_with_the_others(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        output = gdb(gdb_client, guest.debugger, "info registers")
    shown = {line.split()[0] for line in output.splitlines() if line}
    assert {"rax", "cr0", "gdtr_base", "gdtr_limit", "tr_flags", "efer", "dr7", "lstar", "tick", "linear_pc"} <= shown


@pytest.mark.cell("registers and memory written")
def test_system_registers_are_read_and_written(gdb_client: list[str]) -> None:
    with program(COUNTING, "hot") as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"break *{at['hot']:#x}",
            "continue",
            "print $cr4",
            "print/x $gdtr_limit",
            "print $efer",
            "set $lstar = 0xffffffff81000000",
            "set $dr0 = 0x1234",
            "set $xmm3.uint128 = 0x112233",
            "set $st0 = 1.5",
            "print/x $lstar",
            "print/x $dr0",
            "print/x $xmm3.uint128",
            "print $st0",
            "set $tick = 5",
            "info registers tr cs_flags linear_pc cpl",
            "disconnect",
        )
        assert debugger.engine.read_register("lstar") == 0xFFFFFFFF81000000
        assert debugger.engine.read_register("xmm3") == 0x112233
    assert "PAE" in output
    assert re.search(r"LMA.*LME|LME.*LMA", output)
    assert "= 0x1234" in output
    assert "= 1.5" in output
    assert "tick cannot be written" in output or "Could not write register" in output
