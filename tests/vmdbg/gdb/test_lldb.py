"""The newest LLDB debugs the sample kernel: its 32-bit entry, 64-bit code, ring 3."""

from __future__ import annotations

import re

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.gdb.guests import lldb, sample_guest


@pytest.mark.cell("attach at the first instruction")
@pytest.mark.cell("system registers")
@pytest.mark.cell("source lines, backtrace, finish")
def test_source_level_session(lldb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = lldb(
            lldb_client,
            guest.debugger,
            "register read rip cr0 tick",
            "breakpoint set -n account_open",
            "continue",
            "bt",
            "frame variable name",
            "finish",
            "thread step-over",
            "thread list",
            file=sample_kernel(),
        )
    assert "rip = 0x0000000000100020" in output
    assert "stop reason = breakpoint 1.1" in output
    assert "name = 0x" in output
    assert '"shared"' in output
    assert "bank_run at bank.c:94" in output
    assert "stop reason = step over" in output
    assert "name = 'CPU 0'" in output


@pytest.mark.cell("watchpoints")
def test_ring_3_watchpoint_and_regions(lldb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = lldb(
            lldb_client,
            guest.debugger,
            "breakpoint set -n user_main",
            "continue",
            "register read cs cpl",
            "memory region $rip",
            "memory region $rsp",
            "memory region 0",
            "watchpoint set expression -w write -s 8 -- $rsp-8",
            "continue",
            file=sample_kernel(),
        )
    assert "cpl = 0x03" in output
    assert "r-x user" in output
    assert "rw- user" in output
    assert "[0x0000000000000000-0x0000000000400000) ---" in output
    assert "stop reason = watchpoint 1" in output


@pytest.mark.cell("backwards")
def test_lldb_runs_backwards(lldb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = lldb(
            lldb_client,
            guest.debugger,
            "breakpoint set -n demo_run",
            "breakpoint set -n user_main",
            "continue",
            "continue",
            "process continue --reverse",
            "breakpoint disable",
            "process continue --reverse",
            file=sample_kernel(),
        )
    stops = ["breakpoint 1.1", "breakpoint 2.1", "breakpoint 1.1", "begin of the recorded history"]
    assert re.findall(r"stop reason = (.*)", output)[1:] == stops
    assert output.rstrip().count("multiboot_entry at boot.S:47") == 2


@pytest.mark.cell("registers and memory written")
def test_lldb_writes_registers_and_memory(lldb_client: list[str]) -> None:
    with sample_guest() as guest:
        lldb(
            lldb_client,
            guest.debugger,
            "register write rbx 0x1234",
            "memory write 0x8000 0x24 0x23 0x7d 0x2a",
            "process plugin packet send D",
            file=sample_kernel(),
        )
        debugger = guest.debugger
        debugger.timeline.seek(debugger.timeline.start)
        assert debugger.timeline.history.inputs


@pytest.mark.cell("back from the end of the guest")
def test_one_can_go_back_from_a_power_off(lldb_client: list[str]) -> None:
    """In a batch LLDB takes a stop without a breakpoint for a crash, and goes on with the commands for that."""
    back = ("breakpoint set -n account_open", "process continue --reverse", "frame variable name")
    at_the_end = [part for command in back for part in ("-k", command)]
    with sample_guest() as guest:
        output = lldb([*lldb_client, *at_the_end], guest.debugger, "continue", file=sample_kernel())
    assert "stop reason = the guest powered itself off; its history is kept until you leave" in output
    assert '"savings"' in output
