"""A complete target for gdb in a few lines: 64 KiB of memory and a CPU that knows five i386 instructions.

python samples/toy_target.py 1234
gdb -q -ex 'target remote :1234' -ex 'x/4i $pc' -ex 'break *2' -ex continue -ex 'watch *0x200' -ex c
"""

import sys
from collections.abc import Callable, Mapping

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.description import target_xml
from gdbstub.errors import MemoryAccessError
from gdbstub.frames import TargetFrame
from gdbstub.server import Server
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
INTEGER = (
    *("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"),
    *("cs", "ss", "ds", "es", "fs", "gs"),
)
STACK = [f"st{n}" for n in range(8)]
CONTROL = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
ROLES = {"eip": "pc", "esp": "sp", "ebp": "fp"}
LAYOUT = [
    *(Register(name, 32, feature=CORE, generic=ROLES.get(name, "")) for name in INTEGER),
    *(Register(name, 80, "i387_ext", "float", CORE) for name in STACK),
    *(Register(name, 32, "int", "float", CORE) for name in CONTROL),
]
EAX, EIP = INTEGER.index("eax"), INTEGER.index("eip")
PROGRAM = bytes.fromhex("90 40 a300020000 ebf7")  # nop; inc eax; mov [0x200], eax; jmp 0


class ToyRegisters:
    layout = LAYOUT

    def __init__(self) -> None:
        self.values = [bytes(register.bits // 8) for register in LAYOUT]

    def read_all(self, _thread: ThreadId) -> bytes:
        return b"".join(self.values)

    def write_all(self, _thread: ThreadId, values: bytes) -> None:
        for number, old in enumerate(self.values):
            self.values[number], values = values[: len(old)], values[len(old) :]

    def read(self, _thread: ThreadId, number: int) -> bytes | None:
        return self.values[number]

    def write(self, _thread: ThreadId, number: int, value: bytes) -> None:
        self.values[number] = value


class ToyMemory:
    def __init__(self) -> None:
        self.ram = bytearray(0x10000)
        self.ram[: len(PROGRAM)] = PROGRAM

    def read(self, _thread: ThreadId, address: int, length: int) -> bytes:
        if address >= len(self.ram):
            raise MemoryAccessError(address)
        return bytes(self.ram[address : address + length])

    def write(self, _thread: ThreadId, address: int, data: bytes) -> None:
        if address + len(data) > len(self.ram):
            raise MemoryAccessError(address)
        self.ram[address : address + len(data)] = data


class Toy:
    """The CPU: execution, Ctrl-C, breakpoints and monitor commands."""

    actions = frozenset({ActionKind.CONTINUE, ActionKind.STEP})
    kinds = frozenset({BreakpointKind.SOFTWARE, BreakpointKind.HARDWARE, BreakpointKind.WRITE})

    def __init__(self) -> None:
        self.registers, self.memory = ToyRegisters(), ToyMemory()
        self.points: dict[tuple[object, ...], Breakpoint] = {}
        self.why: StopReason | None = Signalled(Signal.SIGTRAP)
        self.stepping = self.interrupted = False
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

    def run(self, command: str, _write: Callable[[str], None]) -> str:
        return f"eax is {self.get(EAX)}\n" if command == "eax" else f"unknown command {command!r}; try eax\n"

    def get(self, number: int) -> int:
        return int.from_bytes(self.registers.values[number], "little")

    def set(self, number: int, value: int) -> None:
        self.registers.values[number] = (value & 0xFFFFFFFF).to_bytes(4, "little")

    def step(self) -> None:
        """One instruction: nop, inc eax, mov [moffs32], eax, jmp rel8; hlt and all else stop with SIGILL."""
        pc, ram = self.get(EIP), self.memory.ram
        code = bytes(ram[pc : pc + 5]).ljust(5, b"\xf4")
        match code[0]:
            case 0x90:
                pc += 1
            case 0x40:
                self.set(EAX, self.get(EAX) + 1)
                pc += 1
            case 0xA3:
                address = int.from_bytes(code[1:], "little")
                ram[address : address + 4] = self.registers.values[EAX]
                pc += 5
                self.hit(lambda point: point.kind is BreakpointKind.WRITE and point.address == address)
            case 0xEB:
                pc += 2 + (code[1] ^ 0x80) - 0x80
            case _:
                self.why = Signalled(Signal.SIGILL)
        self.set(EIP, pc)
        if self.why is None and self.stepping:
            self.why = Stepped()
        if self.why is None:
            self.hit(lambda point: point.kind <= BreakpointKind.HARDWARE and point.address == pc)

    def hit(self, matches: Callable[[Breakpoint], bool]) -> None:
        for point in filter(matches, list(self.points.values())):
            if point.stops(self.frame):
                access = point.kind.access
                self.why = WatchpointHit(point.address, access) if access else BreakpointHit()

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


def main() -> None:
    toy = Toy()
    server = Server(toy.target(), log=print)
    toy.frame = TargetFrame(toy.target(), FIRST_THREAD, server.console)
    address = server.listen_tcp(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print("listening on {}:{}".format(*address), flush=True)
    while True:
        server.poll(None if toy.why else 0)
        toy.run_slice(server)


if __name__ == "__main__":
    main()
