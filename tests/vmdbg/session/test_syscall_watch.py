"""Stopping at system calls by name."""

from __future__ import annotations

import re

import pytest

from vmdbg.debugger.stops import BreakpointStop
from vmdbg.errors import UserError
from vmdbg.session.session import Session
from vmdbg.session.syscall_watch import SyscallWatch, syscall_here

pytestmark = pytest.mark.timeout(300)


def test_names_and_numbers_add_up_and_come_off(linux: Session) -> None:
    watch = linux.part(SyscallWatch)
    watch.start(["openat", "0x3"])
    assert str(watch) == "system calls: close, openat"
    watch.stop(["close"])
    assert watch.numbers == {257}
    with pytest.raises(UserError, match="'opneat' is no system call; did you mean openat"):
        watch.start(["opneat"])
    watch.start([])
    assert str(watch) == "system calls: all"
    watch.stop(["openat"])
    assert watch.numbers is None
    linux.close()


def test_what_is_caught_is_the_call_about_to_be_made(linux: Session) -> None:
    watch = linux.part(SyscallWatch)
    assert syscall_here(linux) is None
    watch.start(["write", "writev", "nanosleep", "clock_nanosleep"])
    linux.run("reverse-continue")
    assert isinstance(linux.debugger.last_stop, BreakpointStop)
    assert re.match(r"caught \S+\[\d+\] (write|nanosleep|clock_nanosleep)v?\(", str(syscall_here(linux)))
    linux.close()
    assert linux.debugger.points.breakpoints == {}
