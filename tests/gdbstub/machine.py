"""A machine that offers every port: two CPUs, two pages of memory, and a log of what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.errors import TargetError
from gdbstub.simple import Ram
from gdbstub.stops import Exited, Signal, Signalled, Stepped, StopReason, ThreadId
from gdbstub.target import (
    SSTEP_ENABLE,
    Action,
    ActionKind,
    Host,
    MapRegion,
    Offsets,
    RegionInfo,
    RegionKind,
    Register,
    Step,
    Target,
    ThreadInfo,
)

START, END = 0x1000, 0x3000
LAYOUT = (
    Register("pc", 64, "code_ptr", feature="test.core", generic="pc", dwarf=16),
    Register("sp", 64, "data_ptr", feature="test.core", generic="sp"),
    Register("flags", 32, feature="test.core", generic="flags", alias="psr"),
    Register("v0", 128, "uint128", "vector", "test.vector"),
    Register("gone", 16, "int", "system", "test.system", save_restore=False),
)
IN_G = 3


class Registers:
    layout = LAYOUT

    def __init__(self) -> None:
        self.files: dict[ThreadId, list[bytes]] = {}
        for thread in (1, 2):
            pc = (0x1000 * thread).to_bytes(8, "little")
            self.files[ThreadId(thread)] = [pc, bytes([thread] * 8), b"\2\0\0\0", bytes(range(16)), b""]

    def read_all(self, thread: ThreadId) -> bytes:
        return b"".join(self.files[thread][:IN_G])

    def write_all(self, thread: ThreadId, values: bytes) -> None:
        self.files[thread][:IN_G] = [values[:8], values[8:16], values[16:]]

    def read(self, thread: ThreadId, number: int) -> bytes | None:
        return self.files[thread][number] or None

    def write(self, thread: ThreadId, number: int, value: bytes) -> None:
        if number == 4:
            raise TargetError("gone cannot be written")
        self.files[thread][number] = value


class Machine:
    """Every other port. It stops only when a test calls `stop`, or at once for a step when `instant`."""

    actions = frozenset(ActionKind)
    kinds = frozenset(BreakpointKind)

    def __init__(self) -> None:
        self.log: list[object] = []
        self.registers = Registers()
        self.memory = Ram(bytearray(range(256)) * 32, START)
        self.physical = Ram(bytearray(b"physical" * 512))
        self.why: StopReason | None = Signalled(Signal.SIGTRAP)
        self.points: dict[object, Breakpoint] = {}
        self.mask = 7
        self.instant = False
        self.together = False
        self.report: Callable[[StopReason], None] = lambda _reason: None
        self.annexes = {"target.xml": "<target><!-- } $ # * --></target>", "big.xml": "0123456789" * 1000}

    def target(self) -> Target:
        return Target(
            registers=self.registers,
            memory=self.memory,
            execution=self,
            name="machine",
            version="1.2",
            interrupt=self,
            breakpoints=self,
            threads=self,
            reverse=self,
            memory_map=self,
            features=self,
            monitor=self,
            restart=self,
            lifecycle=self,
            relocation=self,
            physical=self.physical,
            single_step_mask=self,
            host=Host("x86_64-unknown-none"),
            regions=self,
            stops_together=self.together,
        )

    def stop(self, reason: StopReason) -> None:
        self.why = reason
        self.report(reason)

    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        self.log.append(dict(actions))
        self.why = None
        if self.instant and any(isinstance(action, Step) for action in actions.values()):
            self.stop(Stepped())

    def state(self) -> StopReason | None:
        return self.why

    def interrupt(self) -> None:
        self.log.append("interrupt")
        if self.why is None:
            self.stop(Signalled(Signal.SIGINT))

    def insert(self, point: Breakpoint) -> None:
        if point.address == 0xBAD:
            raise TargetError("no breakpoint there")
        self.points[point.key] = point

    def remove(self, point: Breakpoint) -> None:
        if point.key not in self.points:
            raise TargetError("no such breakpoint")
        del self.points[point.key]

    def threads(self) -> Sequence[ThreadId]:
        return [ThreadId(1), ThreadId(2)]

    def describe(self, thread: ThreadId) -> ThreadInfo:
        return ThreadInfo(f"CPU {thread - 1}", "ring 3, <init>", thread - 1)

    def reverse_step(self, thread: ThreadId) -> None:
        self.log.append(("reverse-step", thread))
        self.why = None

    def reverse_continue(self, thread: ThreadId) -> None:
        self.log.append(("reverse-continue", thread))
        self.why = None

    def regions(self) -> Sequence[MapRegion]:
        return [MapRegion(0, 0xA0000), MapRegion(0xF0000, 0x10000, RegionKind.ROM)]

    def annex(self, name: str) -> str | None:
        return self.annexes.get(name)

    def run(self, command: str, write: Callable[[str], None], _check: Callable[[], None]) -> str:
        if command == "stream":
            write("one\n")
            return "two\n"
        if command == "fail":
            raise TargetError("it failed")
        if command == "long":
            return "x" * 20000
        return command.upper()

    def restart(self) -> None:
        self.log.append("restart")
        self.why = Signalled(Signal.SIGTRAP)

    def attached(self) -> None:
        self.log.append("attached")
        if self.why is None:
            self.why = Signalled(Signal.NONE)

    def detached(self) -> None:
        self.log.append("detached")

    def vanished(self) -> None:
        self.log.append("vanished")

    def killed(self) -> None:
        self.log.append("killed")
        self.why = Exited(0)

    def offsets(self) -> Offsets | None:
        return Offsets(0x1000, 0x2000, 0x2000)

    def get(self) -> int:
        return self.mask

    def set(self, mask: int) -> None:
        if mask & ~7:
            raise TargetError(f"no step mask bits {mask:#x}")
        self.mask = mask | SSTEP_ENABLE

    def region(self, _thread: ThreadId, address: int) -> RegionInfo:
        if address < START:
            return RegionInfo(0, START)
        return RegionInfo(START, END - START, "rwx", "ram")
