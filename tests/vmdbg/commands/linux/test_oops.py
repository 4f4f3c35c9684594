"""oops, and what stops where one is reported."""

from __future__ import annotations

import json
import re

import pytest

from vmdbg.machine.snapshot import Position
from vmdbg.session.session import Session
from vmdbg.units import Tick

pytestmark = pytest.mark.timeout(300)


def test_a_panic_stops_and_is_shown(linux: Session) -> None:
    """Wanted from the first instruction on, when nothing is known of the kernel."""
    linux.debugger.timeline.seek(Position(Tick(0)))
    assert "whatever the kernel reports: as soon as a Linux kernel is known" in linux.execute("catch oops")
    shown = linux.execute("continue").splitlines()
    assert shown[0] == "kernel panic: sysrq triggered crash, in init (1)"
    assert "at die, die_addr, __die, panic" in linux.execute("catch")
    assert linux.execute("points --json").strip() == "[]"
    shown = linux.execute("oops").splitlines()
    assert shown[0] == "kernel panic: sysrq triggered crash, in init (1)"
    assert re.match(r" ?0 +0xffffffff[0-9a-f]+ +task +panic \(fmt=.*\"sysrq triggered crash\\n\"\)", shown[1])
    assert re.search(r'system call=write\(fd=1, buf="c\\n", count=2\)', shown[-1])
    linux.execute("catch oops --off")
    assert "oops" not in linux.execute("catch")
    assert not linux.debugger.points.breakpoints


def test_an_oops_shows_the_fault_and_its_registers(linux: Session) -> None:
    ready = linux.debugger.position
    linux.run("catch oops")
    assert "breakpoint 1 at" in linux.execute("break vfs_write"), "the user's own count from one"
    linux.run("continue")
    linux.run("delete all")
    linux.debugger.timeline.fork()
    linux.run("set rdi = 0x10")
    stopped = linux.execute("continue")
    assert re.search(r"kernel oops: page fault at vfs_write\+0x[0-9a-f]+, in init \(1\)", stopped)
    shown = linux.execute("oops")
    assert re.search(r"code mov .*\[rdi \+ 0x[0-9a-f]+\]", shown)
    assert re.search(r"#PF, address 0x[0-9a-f]+: .*not present", shown)
    assert re.search(r"rdi 0x0000000000000010", shown)
    assert "vfs_write+0x" in shown
    json.loads(linux.execute("oops --json"))
    linux.debugger.timeline.seek(ready)
    linux.debugger.timeline.fork()
