"""The newest LLDB and the toy target."""

from __future__ import annotations

import pytest

from gdbstub.stops import ThreadId
from gdbstub.target import Host, RegionInfo, Target
from samples.toy_target import Toy
from tests.gdbstub.clients import lldb, wheel


class LldbToy(Toy):
    """With what LLDB asks for and gdb does not."""

    def target(self) -> Target:
        plain = super().target()
        ports = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        return Target(**{**ports, "host": Host("i386-unknown-none", pointer_bytes=4), "regions": self})

    def region(self, _thread: ThreadId, address: int) -> RegionInfo:
        end = len(self.memory.data)
        return RegionInfo(0, end, "rwx", "ram") if address < end else RegionInfo(end, (1 << 32) - end)


@pytest.fixture
def program() -> list[str]:
    return wheel("lldb_for_pwndbg", "lldb")


def test_look_around(program: list[str]) -> None:
    output = lldb(
        program,
        LldbToy(),
        "register read eip",
        "disassemble -s 0 -c 4",
        "memory read 0x0 0x10",
        "memory region 0x100",
        "memory region 0x20000",
        "thread list",
        "process plugin packet send qGDBServerVersion",
        "detach",
    )
    assert "eip = 0x00000000" in output
    assert "0x2: movl   %eax, 0x200" in output
    assert "0x00000000: 90 40 a3 00 02 00 00 eb f7" in output
    assert "[0x0000000000000000-0x0000000000010000) rwx ram" in output
    assert "[0x0000000000010000-0x0000000100000000) ---" in output
    assert "name = 'toy'" in output
    assert "name:toy;version:0;" in output


def test_breakpoints_and_steps(program: list[str]) -> None:
    toy = LldbToy()
    output = lldb(
        program,
        toy,
        "breakpoint set -a 2",
        "continue",
        "register read eax",
        "stepi",
        "register read eip",
        "continue",
        "register read eax",
        "detach",
    )
    assert output.count("stop reason = breakpoint 1.1") == 2
    assert "stop reason = instruction step into" in output
    assert "eip = 0x00000007" in output
    assert "eax = 0x00000002" in output
    assert not toy.points


def test_writes_and_search(program: list[str]) -> None:
    toy = LldbToy()
    output = lldb(
        program,
        toy,
        "register write eax 0x1234",
        "memory write 0x300 0x24 0x23 0x7d 0x2a",
        "memory read --format bytes 0x300 0x304",
        "memory find -s '$#' 0x200 0x400",
        "detach",
    )
    assert toy.registers["eax"] == 0x1234
    assert toy.memory.data[0x300:0x304] == b"$#}*"
    assert "data found at location: 0x300" in output


def test_watchpoint(program: list[str]) -> None:
    output = lldb(program, LldbToy(), "watchpoint set expression -s 4 -- 0x200", "continue", "detach")
    assert "stop reason = watchpoint 1" in output


def test_read_of_nothing_says_why(program: list[str]) -> None:
    output = lldb(program, LldbToy(), "memory read 0x20000")
    assert "error: memory read failed for 0x20000" in output
