"""Source-level debugging of a stock Linux guest: its kernel by Debian's debug file, a program and a module of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.linux_assets import AssetsMissingError, build_module, busybox_initrd, cloud_debug_vmlinux, cloud_kernel
from tests.vmdbg.conftest import open_session
from tests.vmdbg.dwarf.test_against_gdb import HERE, Comparison, built, our_frames
from tests.vmdbg.gdb.guests import MEBIBYTE, Guest, gdb, guest
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.stops import BreakpointStop
from vmdbg.session.session import Session
from vmdbg.units import Tick

LEVELS = ("-O0", "-O2")
SLICE, LONGEST = 100_000_000, 30_000_000_000
READY = "READY"
AUTORUN = f"""#!/bin/sh
busybox insmod /orders.ko
/program &
echo {READY}
while :; do echo 2 > /sys/module/vmdbg_orders/parameters/run; done
"""


@contextmanager
def running(level: str, directory: Path, append: str = "") -> Iterator[tuple[Guest, Session, Path, Path]]:
    """A guest in which the program and the module are at work, with their files."""
    program = built(directory, "gcc", level, "-gdwarf-5", "-DLINUX")
    try:
        module = build_module("vmdbg_orders", (HERE / "module.c").read_text(), level)
        kernel = cloud_kernel()
        extra = {"program": program.read_bytes(), "orders.ko": module, "autorun": AUTORUN.encode()}
        initrd = busybox_initrd(extra)
    except AssetsMissingError as error:
        pytest.skip(str(error))
    path = directory / "vmdbg_orders.ko"
    path.write_bytes(module)
    options = {"memory": 256 * MEBIBYTE, "initrd": initrd.read_bytes(), "append": f"console=ttyS0 {append}"}
    with guest(kernel.read_bytes(), **options) as made:  # type: ignore[arg-type]  # by their names
        while READY not in made.output:
            assert made.debugger.machine.clock < LONGEST, made.output[-2000:]
            run(made)
        run(made)
        session = open_session(made.debugger)
        for file in list(session.sources.files):
            session.sources.remove(file.path)
        yield made, session, program, path


def run(made: Guest, ticks: int = SLICE) -> None:
    made.debugger.resume(Continue(limit=Tick(made.debugger.machine.clock + ticks)))
    made.debugger.wait()


def reach(made: Guest, session: Session, place: str) -> None:
    """Run to a breakpoint, which must come."""
    session.run(f"tbreak {place}")
    run(made, 20 * SLICE)
    assert isinstance(made.debugger.last_stop, BreakpointStop), made.debugger.last_stop


def where(session: Session) -> list[str]:
    """The functions of a backtrace, each with its arguments."""
    rows = json.loads(session.execute("bt --json"))
    return [re.sub(r"\+0x[0-9a-f]+", "", str(row["where"])) for row in rows]


@pytest.mark.parametrize("level", LEVELS)
def test_a_program_and_a_module(level: str, tmp_path: Path) -> None:
    with running(level, tmp_path) as (made, session, program, module):
        session.run(f"symbol-file {program} --process program")
        reach(made, session, "area --process program")
        session.run("nexti 20")
        calls = where(session)
        assert calls[0].startswith("area (self=0x")
        assert "scale=2)" in calls[0]
        assert [call.partition(" ")[0] for call in calls[1:3]] == ["work", "start"]
        assert "name = (const char *)0x" in session.execute("p *self")
        assert "returned (int)" in session.execute("finish")
        assert any(call.startswith("work (") for call in where(session)[:2])
        reach(made, session, "use --process program")
        assert "returned (long" in session.execute("finish")

        session.run(f"symbol-file {module}")
        reach(made, session, "vmdbg_price")
        assert session.evaluate("order->number") in (1, 2)
        assert session.evaluate("order->weight") == session.evaluate("order->number") + 99
        assert session.evaluate("rebate") == session.evaluate("order->number") + 4
        session.run("nexti 8")
        calls = where(session)
        assert re.match(r"vmdbg_price (\[vmdbg_orders\] )?\(order=0x", calls[0])
        assert re.match(r"total \(count=.*, rebate=", calls[1])
        assert re.match(r"set (\[vmdbg_orders\] )?\(text=", calls[2])
        assert session.execute("up").splitlines()[0].count("total") == 1
        assert "sum = " in session.execute("info locals")

        reach(made, session, "area --process program")
        session.run("nexti 30")
        assert same_as_gdb(made, session, program).counts["frames"] >= 3


def same_as_gdb(made: Guest, session: Session, program: Path) -> Comparison:
    """At the instant at which the guest stands."""
    ours = our_frames(session)
    commands = (f"source {HERE / 'gdb_frames.py'}", "python print('STOP ' + json.dumps(frames()))")
    output = gdb(debian_gdb(), made.debugger, *commands, file=program)
    theirs = [json.loads(line[5:]) for line in output.splitlines() if line.startswith("STOP ")]
    assert len(theirs) == 1, output
    comparison = Comparison()
    comparison.frames(ours, theirs[0])
    assert not comparison.wrong, "\n".join(comparison.wrong)
    assert not comparison.missed, "\n".join(comparison.missed)
    return comparison


@pytest.mark.parametrize("append", ["", "nokaslr"])
def test_debians_kernel_by_its_debug_file(append: str, tmp_path: Path) -> None:
    try:
        vmlinux = cloud_debug_vmlinux()
    except AssetsMissingError as error:
        pytest.skip(f"Debian's kernel with debug information cannot be had: {error}")
    with running("-O2", tmp_path, append) as (made, session, _, _):
        session.run(f"symbol-file {vmlinux}")
        reach(made, session, "vfs_write if count == 2")
        calls = where(session)
        assert re.match(r'vfs_write \(file=0x\w+, buf=0x\w+ "2\\n.*", count=2, pos=0x\w+\)', calls[0])
        assert calls[1].startswith("ksys_write (fd=")
        assert calls[2].startswith("do_syscall_x64 (")
        assert calls[3].startswith("do_syscall_64 (regs=0x")
        assert session.execute("p file->f_path.dentry->d_iname") == '"run"\n'
        assert session.execute("p $rdx") == session.execute("p/x count") or session.evaluate("count") == 2
        session.run("up")
        assert session.evaluate("f.file") == session.evaluate("$rdi")
        assert "ret = " in session.execute("info locals")
        session.run("down")
        assert "returned (ssize_t)2" in session.execute("finish")
        assert "fs/read_write.c:" in session.execute("bt 1")
