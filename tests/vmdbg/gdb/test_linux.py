"""A stock Linux kernel under gdb, and what becomes of it: the same as without."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from devices.serial.feed import SerialInput
from tests.vmdbg.gdb.guests import GDBS, gdb, gdb_program, linux_guest, lldb
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.machine.digest import Digest, digest
from vmdbg.session.session import Session
from vmdbg.units import Tick

END = Tick(700_000_000)
"""Early in the boot: paging is on, interrupts come."""


def finish(debugger: Debugger) -> Digest:
    debugger.resume(Continue(limit=END))
    debugger.wait()
    return digest(debugger.machine)


@pytest.fixture(scope="module")
def undisturbed() -> Digest:
    with linux_guest() as guest:
        return finish(guest.debugger)


def entry_points(debugger: Debugger) -> tuple[int, int]:
    """The handlers of the page fault and of the first external interrupt, out of the IDT."""
    base = debugger.engine.read_register("idtr_base")

    def handler(vector: int) -> int:
        low, _, _, _, middle, high, _ = struct.unpack("<HHBBHII", debugger.linear().read(base + 16 * vector, 16))
        return int(low | middle << 16 | high << 32)

    return handler(14), handler(0x20)


def test_gdb_leaves_no_trace(undisturbed: Digest) -> None:
    with linux_guest() as guest:
        debugger = guest.debugger
        debugger.resume(Continue(limit=Tick(500_000_000)))
        debugger.wait()
        page_fault, interrupt = entry_points(debugger)
        output = gdb(
            gdb_program(GDBS[0]),
            debugger,
            f"break *{page_fault:#x} if $cr2 & 1",
            f"hbreak *{interrupt:#x}",
            "monitor catch #BP",
            "stepi 300",
            "rwatch -l *(char (*)[4096]) ((long) $rsp & ~0xfff)",
            "continue",
            "continue",
            "delete",
            "watch -l *(long *) ($rsp - 16)",
            "stepi 300",
            "info registers",
            "x/8192xb (long) $rsp & ~0xfff",
            "x/512xg 0xffffffff81000000",
            "x/4xb 0",
            "find /b $rsp, +0x10000, 0x12, 0x34",
            "delete",
            "monitor uncatch all",
            "monitor maps",
            "stepi 500",
            "reverse-stepi",
            "stepi",
            "detach",
        )
        assert "Hardware read watchpoint" in output
        debugger.interrupt()
        debugger.wait()
        assert debugger.machine.clock < END
        assert finish(debugger) == undisturbed


@pytest.mark.cell("leaves no trace in the guest")
def test_lldb_leaves_no_trace(lldb_client: list[str], undisturbed: Digest) -> None:
    with linux_guest() as guest:
        debugger = guest.debugger
        debugger.resume(Continue(limit=Tick(500_000_000)))
        debugger.wait()
        page_fault, _ = entry_points(debugger)
        output = lldb(
            lldb_client,
            debugger,
            f"breakpoint set -a {page_fault:#x}",
            "stepi",
            "stepi",
            "memory read $rsp",
            "memory region $rsp",
            "register read -a",
            "disassemble -s $rip -c 10",
            "process detach",
        )
        assert "rip = 0xffffffff" in output
        debugger.interrupt()
        debugger.wait()
        assert debugger.machine.clock < END
        assert finish(debugger) == undisturbed


@pytest.mark.cell("system calls caught", "gdb 13", "gdb 18")
def test_step_catch_system_calls_and_go_on_to_the_shell() -> None:
    """Before Linux is known they are caught once it is; afterwards at once."""
    with linux_guest() as guest:
        debugger = guest.debugger
        output = gdb(
            gdb_program(GDBS[1]),
            debugger,
            "info registers rip",
            "stepi 5",
            "x/3i $pc",
            "info threads",
            "catch syscall openat",
            "continue",
            "print (char *) $rsi",
            "continue",
            "print $orig_rax",
            "reverse-continue",
            "print $rax",
            "detach",
        )
        assert "64-bit mode, ring 0" in output
        assert "no Linux (64-bit) is known in the guest yet" in output
        assert "Catchpoint 1 (call to syscall openat)" in output
        assert '"/' in output
        assert "Catchpoint 1 (returned from syscall openat)" in output
        assert "$2 = 257" in output
        assert "$3 = 257" in output
        assert not debugger.points.breakpoints
        while "~ # " not in guest.output:
            assert debugger.poll() is None
        debugger.interrupt()
        debugger.wait()
        debugger.timeline.push(SerialInput(0, b"head /proc/uptime\n"))
        output = gdb(gdb_program(GDBS[0]), debugger, "catch syscall", "continue", "continue", "detach")
        assert "no Linux" not in output
        assert output.count("Catchpoint 1 (") == 3


def test_a_process_is_a_breakpoints_condition(tmp_path: Path) -> None:
    """With the ELF made from the guest, and no debug package: names, types, and who runs."""
    with linux_guest() as guest:
        debugger = guest.debugger
        early = gdb(gdb_program(GDBS[0]), debugger, "print $lx_pid", "print $lx_task", "detach")
        assert "$1 = -1\n$2 = (void *) 0x0\n" in early
        while "~ # " not in guest.output:
            assert debugger.poll() is None
        debugger.interrupt()
        debugger.wait()
        linux = Session(debugger, catalog.commands()).system.need()
        (shell,) = (task for task in linux.tasks() if task.name == "sh")
        elf = tmp_path / "guest.elf"
        elf.write_bytes(linux.gdb_elf())
        debugger.timeline.push(SerialInput(0, b"head /proc/uptime\n"))
        output = gdb(
            gdb_program(GDBS[0]),
            debugger,
            f"break vfs_read if $lx_pid > {shell.pid}",
            "continue",
            "print ((struct task_struct *)$lx_task)->comm",
            "print $lx_pid == $lx_tid && $lx_pid == ((struct task_struct *)$lx_task)->pid",
            "print *(struct list_head *)&((struct task_struct *)$lx_task)->tasks",
            "print file->f_path.dentry->d_name.name",
            "print ((unsigned (*)(unsigned long)) jiffies_to_msecs)(250)",
            "info threads",
            "backtrace",
            "delete",
            "monitor catch oops",
            'monitor send "echo c > /proc/sysrq-trigger\\n"',
            "continue",
            "monitor oops",
            "backtrace 2",
            "detach",
            file=elf,
        )
    assert re.search(r"Breakpoint 1, 0x[0-9a-f]+ in vfs_read \(file=0x[0-9a-f]+", output), output
    assert '$1 = "head", ' in output
    assert "$2 = 1" in output
    assert "next = 0xffff" in output
    assert re.search(r'\$4 = .* "uptime"', output), output
    assert "$5 = 1000" in output
    assert re.search(r"ring 0, head \(\d+\)", output), output
    assert re.findall(r"^#\d+ .*? in (\w+) \(", output, re.M)[:3] == ["vfs_read", "ksys_read", "do_syscall_64"]
    assert "the kernel has something wrong to report: monitor oops shows it" in output
    assert "kernel panic: sysrq triggered crash, in sh (" in output
    assert re.search(r'^#0 .* in panic \(fmt=0x[0-9a-f]+ "sysrq triggered crash', output, re.M), output
