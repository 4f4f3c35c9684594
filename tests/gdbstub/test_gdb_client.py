"""Real gdbs, Debian's and the newest, and the toy target."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gdbstub.breakpoints import BreakpointKind
from gdbstub.server import Server
from gdbstub.stops import Edge, HistoryEdge, Stepped, StopReason, ThreadId
from gdbstub.target import Action, Target
from samples.toy_target import Toy
from tests.gdbstub.clients import debian_gdb, gdb, wheel


@pytest.fixture(params=["Debian's", "newest"])
def program(request: pytest.FixtureRequest) -> list[str]:
    return debian_gdb() if request.param == "Debian's" else wheel("gdb_for_pwndbg", "gdb")


class TimeTravelToy(Toy):
    """Remembers every state, so that it can go back; and can start again."""

    def __init__(self) -> None:
        super().__init__()
        self.backwards = False
        self.past: list[tuple[list[bytes], bytes]] = []

    def target(self) -> Target:
        plain = super().target()
        ports = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        return Target(**{**ports, "reverse": self, "restart": self})

    def step(self) -> None:
        self.past.append((list(self.registers.values), bytes(self.memory.data)))
        super().step()

    def reverse_step(self, _thread: ThreadId) -> None:
        self.why, self.backwards, self.stepping = None, True, True

    def reverse_continue(self, _thread: ThreadId) -> None:
        self.why, self.backwards, self.stepping = None, True, False

    def run_slice(self, server: Server) -> None:
        if not self.backwards:
            super().run_slice(server)
            return
        self.backwards = False
        while self.why is None:
            self.why = self.back()
            if self.why is None and self.stepping:
                self.why = Stepped()
            if self.why is None:
                self.hit(lambda point: point.kind is BreakpointKind.SOFTWARE and point.address == self.registers["eip"])
        server.stopped(self.why)

    def back(self) -> StopReason | None:
        if not self.past:
            return HistoryEdge(Edge.BEGIN)
        self.registers.values, self.memory.data[:] = self.past.pop()
        return None

    def restart(self) -> None:
        while self.past:
            self.back()


class CountingToy(Toy):
    resumptions = 0

    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        self.resumptions += 1
        super().resume(actions)


def test_look_around(program: list[str]) -> None:
    output = gdb(program, Toy(), "x/4i $pc", "info registers eip", "x/2xb 0xffff", "x/s 0x300", "info threads")
    assert "=> 0x0:\tnop" in output
    assert "0x2:\tmov    %eax,0x200" in output
    assert "eip            0x0" in output
    assert "Cannot access memory at address 0x10000" in output
    assert 'Thread 1.1 "toy"' in output


def test_breakpoints_step_and_continue(program: list[str]) -> None:
    toy = Toy()
    output = gdb(
        program,
        toy,
        "break *2",
        "continue",
        "stepi",
        "print $eax",
        "continue",
        "print $eax",
        "delete",
        "break *0",
        "break *1",
        "continue",
        "print $pc",
        "continue",
        "print $pc",
    )
    assert "Breakpoint 1, 0x00000002" in output
    assert "$1 = 1\n" in output
    assert "$2 = 2\n" in output
    assert "$3 = 0" in output
    assert "$4 = 1" in output
    assert not toy.points


def test_registers_and_memory_are_written(program: list[str]) -> None:
    toy = Toy()
    gdb(
        program,
        toy,
        "set var $eax = 0x1234",
        "set var *(int*)0x300 = 0x41424344",
        "set var *(char*)0x310 = 0x24",
    )
    assert toy.registers["eax"] == 0x1234
    assert toy.memory.data[0x300:0x304] == b"DCBA"
    assert toy.memory.data[0x310] == 0x24


def test_watchpoint(program: list[str]) -> None:
    output = gdb(program, Toy(), "watch *(int*)0x200", "continue", "continue")
    assert "Old value = 0\nNew value = 1" in output
    assert "Old value = 1\nNew value = 2" in output


def test_condition_runs_in_the_target(program: list[str]) -> None:
    toy = CountingToy()
    output = gdb(program, toy, "break *1 if $eax == 3000 && *(int*)0x200 == $eax", "continue", "print $eax")
    assert "$1 = 3000" in output
    assert toy.resumptions < 10


def test_dprintf_in_the_target(program: list[str]) -> None:
    output = gdb(
        program,
        Toy(),
        "set dprintf-style agent",
        'dprintf *2,"eax is %d\\n", $eax',
        "break *7 if $eax == 3",
        "continue",
    )
    assert "eax is 1\neax is 2\neax is 3\n" in output


def test_monitor_and_search_and_compare(program: list[str]) -> None:
    output = gdb(
        program,
        Toy(),
        "monitor eax",
        "monitor nonsense",
        "find /b 0, 0xffff, 0xeb, 0xf7",
        "find 0, 0x1ffff, 5",
    )
    assert "eax is 0" in output
    assert "unknown command 'nonsense'; try eax" in output
    assert "0x7\n" in output


def test_non_stop_session(program: list[str]) -> None:
    output = gdb(
        program,
        Toy(),
        "target remote {port}",
        "break *2",
        "continue",
        "print $eax",
        connect="set non-stop on",
    )
    assert "Breakpoint 1, 0x00000002" in output
    assert "$1 = 1" in output


def test_reverse(program: list[str]) -> None:
    output = gdb(
        program,
        TimeTravelToy(),
        "break *7 if $eax == 5",
        "continue",
        "reverse-stepi",
        "print $pc",
        "delete",
        "break *2 if $eax == 2",
        "reverse-continue",
        "print $eax",
        "delete",
        "reverse-continue",
        "print $eax",
    )
    assert "$1 = 2" in output
    assert "$2 = 2" in output
    assert any(
        end in output for end in ("No more reverse-execution history", "Backward execution from here not possible")
    )
    assert "$3 = 0" in output


def test_run_starts_again(program: list[str]) -> None:
    output = gdb(
        program,
        TimeTravelToy(),
        "set remote exec-file toy",
        "break *7 if $eax == 5",
        "continue",
        "run",
        "print $eax",
        "kill",
        connect="target extended-remote {port}",
    )
    assert output.count("Breakpoint 1, ") == 2
    assert "$1 = 5" in output


def test_detach_leaves_the_target_to_itself(program: list[str]) -> None:
    toy = Toy()
    output = gdb(program, toy, "break *2", "detach")
    assert "detached" in output
    assert not toy.points


def test_detach_and_attach_again(program: list[str]) -> None:
    output = gdb(
        program,
        Toy(),
        "break *2",
        "continue",
        "detach",
        "attach 1",
        "print $eax",
        "info breakpoints",
        connect="target extended-remote {port}",
    )
    assert "$1 = 1" in output
    assert "breakpoint already hit 1 time" in output
