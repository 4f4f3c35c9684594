"""Real gdbs debug the sample kernel at source level, from its 32-bit entry into ring 3."""

from __future__ import annotations

import re

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.gdb.guests import gdb, sample_guest
from vmdbg.machine.digest import digest


@pytest.mark.cell("attach at the first instruction")
def test_attach_at_the_first_instruction(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(gdb_client, guest.debugger, "x/2i $pc", "print $cr0", "info threads", file=sample_kernel())
    assert "=> 0x100020 <multiboot_entry>:\tcmp    $0x2badb002,%eax" in output
    assert "$1 = [ PE ET ]" in output
    assert '"CPU 0"' in output
    assert "32-bit protected mode, ring 0" in output


@pytest.mark.cell("source lines, backtrace, finish")
def test_break_step_finish_and_backtrace_at_source_level(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "break demo_run",
            "continue",
            "backtrace",
            "next",
            "next",
            "break account_open",
            "continue",
            "print name",
            "finish",
            "info threads",
            file=sample_kernel(),
        )
    assert "Breakpoint 1, demo_run () at demo.c:13" in output
    assert "in kernel_main (loader=1" in output
    assert re.search(r'Breakpoint 2, account_open \(name=name@entry=0x\w+ "shared"', output)
    assert "Value returned is $2 = (struct account *) 0xffffffff8" in output
    assert "64-bit mode, ring 0" in output


@pytest.mark.cell("watchpoints")
def test_watch_stops_after_the_write(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "break account_open",
            "continue",
            "finish",
            "delete",
            "watch -l $.balance",
            "continue",
            "continue",
            "backtrace 1",
            file=sample_kernel(),
        )
    assert output.count("Hardware watchpoint 2: -location $.balance") == 3
    assert "Old value = 0\nNew value = 7" in output
    assert "deposit (teller=" in output


@pytest.mark.cell("steps into ring 3 and out")
def test_step_into_ring_3_and_out_by_a_system_call(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "break user_main",
            "continue",
            "info threads",
            "print $cs & 3",
            "tbreak sys_write",
            "continue",
            "backtrace",
            "print $cpl",
            file=sample_kernel(),
        )
    assert "64-bit mode, ring 3" in output
    assert "$1 = 3" in output
    assert "$2 = 0" in output


@pytest.mark.cell("detach, and the guest runs on")
def test_detach_and_the_guest_carries_on(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        gdb(gdb_client, guest.debugger, "break demo_run", "continue", "detach", file=sample_kernel())
        guest.debugger.wait()
        assert "demo: done" in guest.output
        assert not guest.debugger.points.breakpoints


@pytest.mark.cell("back from the end of the guest")
def test_one_can_go_back_from_a_power_off(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client, guest.debugger, "continue", "info threads", "reverse-stepi", "bt 1", file=sample_kernel()
        )
    assert "the guest powered itself off; its history is kept until you leave" in output
    assert re.search("No more reverse-execution history|Reached end of recorded history", output)
    assert "CPU 0" in output
    assert "outw (value=8192, port=1540)" in output


@pytest.mark.cell("back from the end of the guest")
def test_an_extended_client_sees_an_exit_and_attaches_again_to_go_back(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "continue",
            "info threads",
            "attach 1",
            "reverse-stepi",
            file=sample_kernel(),
            connect="target extended-remote {port}",
        )
    exited, _, attached = output.partition("No threads.")
    assert "[Inferior 1 (process 1) exited normally]" in exited
    assert "exited" not in attached
    assert "outw (value=8192, port=1540)" in attached


@pytest.mark.cell("leaves no trace in the guest")
def test_digest_is_that_of_an_undisturbed_run(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        gdb(
            gdb_client,
            guest.debugger,
            "break demo_run",
            "continue",
            "stepi 200",
            "next",
            "hbreak mutex_lock",
            "continue",
            "continue",
            "x/4096xb $rsp",
            "find 0xffffffff80100000, +0x4000, 0x90",
            "delete",
            "tbreak deposit if form & 1",
            "continue",
            "stepi 500",
            "info registers",
            "detach",
            file=sample_kernel(),
        )
        guest.debugger.wait()
        disturbed = digest(guest.debugger.machine)
    with sample_guest() as guest:
        guest.debugger.timeline.run(disturbed.ticks + (1 << 60))
        assert digest(guest.debugger.machine) == disturbed


@pytest.mark.cell("go to an instant by name")
def test_go_to_an_instant_by_name(gdb_client: list[str]) -> None:
    with sample_guest() as guest:
        output = gdb(
            gdb_client,
            guest.debugger,
            "break deposit",
            "continue",
            "monitor goto exception:77",
            "monitor goto 200k",
            "stepi",
            "monitor when",
            "print $pc == $linear_pc",
            'python exec(gdb.execute("monitor gdb-helper", to_string=True))',
            'eval "goto hit:%#lx", $rip',
            "monitor when",
            "goto end",
            "backtrace 1",
            file=sample_kernel(),
        )
    assert "there are only 0 exceptions with vector 77" in output
    assert "what comes  known: this is the past" in output.split("position    20000", 1)[1]
    assert "$1 = 1" in output
    after = output.split("$1 = 1", 1)[1]
    hit = re.search(r"position +(\d+)", after)
    assert hit is not None
    assert int(hit[1]) <= 200_000
    assert "#0  deposit (" in after
