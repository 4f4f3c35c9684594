"""A complete target for gdb: 64 KiB of memory and a CPU that knows four i386 instructions.

    python samples/toy_target.py 1234
    gdb -q -ex 'target remote :1234' -ex 'x/4i $pc' -ex 'break *2' -ex continue -ex 'watch *0x200' -ex c

`Toy.target` and the two methods below it are all that gdb needs; then come breakpoints, monitor commands and the CPU.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.description import target_xml
from gdbstub.frames import TargetFrame
from gdbstub.server import Server
from gdbstub.simple import Ram, RegisterFile
from gdbstub.stops import (
    FIRST_THREAD,
    BreakpointHit,
    Signal,
    Signalled,
    Stepped,
    StopReason,
    ThreadId,
    WatchpointHit,
)
from gdbstub.target import Action, ActionKind, Register, Step, Target

CORE = "org.gnu.gdb.i386.core"
ROLES = {"eip": "pc", "esp": "sp", "ebp": "fp"}
INTEGER = (
    *("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"),
    *("cs", "ss", "ds", "es", "fs", "gs"),
)
X87 = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
LAYOUT = [
    *(Register(name, 32, feature=CORE, generic=ROLES.get(name, "")) for name in INTEGER),
    *(Register(f"st{n}", 80, "i387_ext", "float", CORE) for n in range(8)),
    *(Register(name, 32, "int", "float", CORE) for name in X87),
]
PROGRAM = bytes.fromhex("90 40 a300020000 ebf7")  # nop; inc eax; mov [0x200], eax; jmp 0


class Toy:
    actions = frozenset({ActionKind.CONTINUE, ActionKind.STEP})
    kinds = frozenset({BreakpointKind.SOFTWARE, BreakpointKind.HARDWARE, BreakpointKind.WRITE})

    def __init__(self) -> None:
        self.registers = RegisterFile(LAYOUT)
        self.memory = Ram(bytearray(PROGRAM.ljust(0x10000, b"\0")))
        self.why: StopReason | None = Signalled(Signal.SIGTRAP)
        self.stepping = self.interrupted = False
        self.points: dict[tuple[object, ...], Breakpoint] = {}
        self.frame = TargetFrame(self.target(), FIRST_THREAD, print)

    def target(self) -> Target:
        return Target(
            self.registers,
            self.memory,
            execution=self,
            name="toy",
            interrupt=self,
            breakpoints=self,
            features=self,
            monitor=self,
        )

    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        self.why, self.interrupted = None, False
        self.stepping = any(isinstance(action, Step) for action in actions.values())

    def state(self) -> StopReason | None:
        return self.why

    def interrupt(self) -> None:
        self.interrupted = True

    def insert(self, point: Breakpoint) -> None:
        self.points[point.key] = point

    def remove(self, point: Breakpoint) -> None:
        del self.points[point.key]

    def annex(self, name: str) -> str | None:
        return target_xml("i386", LAYOUT) if name == "target.xml" else None

    def run(self, command: str, _write: Callable[[str], None], _check: Callable[[], None]) -> str:
        if command != "eax":
            return f"unknown command {command!r}; try eax\n"
        return f"eax is {self.registers['eax']}\n"

    def run_slice(self, server: Server) -> None:
        """Run a little if running is asked for, and tell the server of a stop."""
        if self.why is not None:
            return
        if self.interrupted:
            self.why = Signalled(Signal.SIGINT)
        for _ in range(1000):
            if self.why is not None:
                server.stopped(self.why)
                return
            self.step()

    def step(self) -> None:
        """One instruction: nop, inc eax, mov [moffs32], eax or jmp rel8; all else stops with SIGILL."""
        pc = self.registers["eip"]
        code = bytes(self.memory.data[pc : pc + 5]).ljust(5, b"\xf4")
        match code[0]:
            case 0x90:
                pc += 1
            case 0x40:
                self.registers["eax"] += 1
                pc += 1
            case 0xA3:
                self.store(int.from_bytes(code[1:], "little"))
                pc += 5
            case 0xEB:
                pc += 2 + (code[1] ^ 0x80) - 0x80
            case _:
                self.why = Signalled(Signal.SIGILL)
        self.registers["eip"] = pc
        if self.why is None and self.stepping:
            self.why = Stepped()
        if self.why is None:
            self.hit(lambda point: point.kind <= BreakpointKind.HARDWARE and point.address == pc)

    def store(self, address: int) -> None:
        if address + 4 > len(self.memory.data):
            self.why = Signalled(Signal.SIGSEGV, text=f"store beyond memory, at {address:#x}")
            return
        self.memory.write(FIRST_THREAD, address, self.registers["eax"].to_bytes(4, "little"))
        self.hit(lambda point: point.kind is BreakpointKind.WRITE and point.address == address)

    def hit(self, matches: Callable[[Breakpoint], bool]) -> None:
        for point in filter(matches, list(self.points.values())):
            if point.stops(self.frame):
                access = point.kind.access
                self.why = WatchpointHit(point.address, access) if access else BreakpointHit()


def main() -> None:
    toy = Toy()
    server = Server(toy.target(), log=print)
    toy.frame = TargetFrame(toy.target(), FIRST_THREAD, server.console)
    host, port = server.listen_tcp(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"listening on {host}:{port}", flush=True)
    while True:
        server.poll(None if toy.why else 0)
        toy.run_slice(server)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
