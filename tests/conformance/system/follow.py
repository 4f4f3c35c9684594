"""What the engine does in a case, instruction by instruction."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import capstone
from capstone.x86 import X86_OP_IMM, X86_OP_MEM, X86_OP_REG, X86Op

from tests.conformance.system.case import Case
from tests.conformance.system.cpus import EngineCpu
from tests.conformance.system.layout import MONITOR, MONITOR_END
from tests.conformance.system.world import CODE
from vmdbg.engine.exits import Delivery, Exit, Stepped
from vmdbg.engine.stops import Breakpoints
from vmdbg.units import Linear, Tick

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
NAMES = (
    *GENERAL,
    *(f"{name}{part}" for name in SEGMENTS for part in ("", "_base", "_limit", "_flags")),
    *("rip", "rflags", "cr0", "cr3", "cr4", "efer", "tr", "tr_flags", "tr_base", "dr7", "star"),
    *(f"dr{number}" for number in range(4)),
)
VIRTUAL, LMA, PE, LONG, BIG = 1 << 17, 1 << 10, 1, 1 << 21, 1 << 22
LONGEST, MOST_STEPS, KEPT, PATIENCE = 15, 50_000, 200, 10_000_000
"""Steps of a case; of those behind the first KEPT, the last and what something is delivered for are kept."""
_MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}


@dataclass(frozen=True)
class Step:
    """One instruction, the registers before it, and what was delivered for it, or instead of it."""

    registers: dict[str, int]
    code: bytes
    deliveries: tuple[Delivery, ...] = ()
    task: int = 0
    """The hidden flags of TR after it."""
    system_type: int | None = None
    """Of the descriptor that LAR, LSL or LTR names, if it is one of the system."""

    def __getitem__(self, name: str) -> int:
        return self.registers[name]

    @property
    def has_real_segments(self) -> bool:
        return not self["cr0"] & PE or bool(self["rflags"] & VIRTUAL)

    @property
    def cpl(self) -> int:
        return 3 if self["rflags"] & VIRTUAL else self["ss_flags"] >> 13 & 3 if self["cr0"] & PE else 0

    @property
    def bits(self) -> int:
        if self["efer"] & LMA and self["cs_flags"] & LONG:
            return 64
        return 32 if self["cs_flags"] & BIG else 16

    @cached_property
    def instruction(self) -> capstone.CsInsn | None:
        decoder = capstone.Cs(capstone.CS_ARCH_X86, _MODES[self.bits])
        decoder.detail = True
        return next(decoder.disasm(self.code, self["rip"], 1), None)

    @property
    def mnemonic(self) -> str:
        return self.instruction.mnemonic.split()[-1] if self.instruction else ""

    @property
    def operands(self) -> list[X86Op]:
        return list(self.instruction.operands) if self.instruction else []

    @property
    def changes_memory(self) -> bool:
        """Whether it reads and writes an operand there."""
        both = capstone.CS_AC_READ | capstone.CS_AC_WRITE
        return any(one.type == X86_OP_MEM and one.access & both == both for one in self.operands)

    def operand_is(self, number: int, name: str) -> bool:
        """Whether that operand is the register of this name."""
        assert self.instruction is not None
        operand = self.operands[number]
        return operand.type == X86_OP_REG and self.instruction.reg_name(operand.reg) == name

    def register(self, operand: X86Op) -> int:
        """The value of a general register, or of a constant."""
        if operand.type == X86_OP_IMM:
            return int(operand.imm)
        assert self.instruction is not None
        return self._named(self.instruction.reg_name(operand.reg), 8 * operand.size)

    def _named(self, name: str, bits: int) -> int:
        return self[_whole(name)] & (1 << bits) - 1

    def accesses(self) -> list[tuple[str, int, int, bool]]:
        """Segment, offset, bytes and whether it is stored to, of every operand in memory that is named."""
        found = self.instruction
        return [self._access(found, one) for one in self.operands if found and one.type == X86_OP_MEM]

    def _access(self, instruction: capstone.CsInsn, operand: X86Op) -> tuple[str, int, int, bool]:
        memory, bits = operand.mem, 8 * instruction.addr_size
        names = [instruction.reg_name(one) if one else "" for one in (memory.base, memory.index)]
        base, index = (self[_whole(name)] if name and not name.endswith("ip") else 0 for name in names)
        if names[0].endswith("ip"):
            base = self["rip"] + instruction.size
        segment = instruction.reg_name(memory.segment) if memory.segment else ""
        default = "ss" if _whole(names[0]) in ("rsp", "rbp") else "ds"
        offset = (base + index * memory.scale + memory.disp) & (1 << bits) - 1
        return segment or default, offset, operand.size, bool(operand.access & capstone.CS_AC_WRITE)


def _whole(name: str) -> str:
    """Of which register it is a part."""
    if name and name[0] == "r" and name[-1] in "dwb" and name[1].isdigit():
        return name[:-1]
    if len(name) == 2 and name[1] in "lh" and name[0] in "abcd":
        return f"r{name[0]}x"
    return name if name.startswith("r") or len(name) < 2 else f"r{name[-2:]}"


@dataclass
class Follower:
    """Runs cases again, with an eye on each instruction."""

    engine: EngineCpu
    _last: tuple[Case, list[Step]] | None = field(default=None, repr=False)

    def __call__(self, case: Case) -> list[Step]:
        """Until it is over, or has made MOST_STEPS."""
        if self._last is None or self._last[0] is not case:
            self._last = (case, self._follow(case))
        return self._last[1]

    def _follow(self, case: Case) -> list[Step]:
        engine = self.engine.engine
        self.engine.begin([case])
        engine.set_breakpoints(Breakpoints(linear=(Linear(CODE),)))
        engine.run(Tick(engine.clock + PATIENCE))
        engine.set_breakpoints(Breakpoints())
        steps: list[Step] = []
        for _ in range(MOST_STEPS):
            if MONITOR <= engine.linear_pc < MONITOR_END:
                break
            step, ended = self._step()
            if len(steps) > KEPT and not steps[-1].deliveries:
                steps.pop()
            steps.append(step)
            if not isinstance(ended, Stepped):
                break
        return steps

    def _step(self) -> tuple[Step, Exit]:
        engine = self.engine.engine
        registers = dict(zip(NAMES, engine.read_registers(NAMES), strict=True))
        code, before = engine.read_linear(engine.linear_pc, LONGEST), engine.delivery_count
        named = self._system_type(Step(registers, code))
        ended = engine.step()
        known = engine.delivery_count - before
        deliveries = engine.deliveries()[-known:] if known else ()
        return Step(registers, code, deliveries, engine.read_register("tr_flags"), named), ended

    def _system_type(self, step: Step) -> int | None:
        if step.mnemonic not in ("lar", "lsl", "ltr"):
            return None
        selector = self._selector(step)
        base = self.engine.engine.read_register("ldtr_base" if selector & 4 else "gdtr_base")
        access = self.engine.engine.read_linear(Linear(base + (selector & 0xFFF8) + 5), 1)
        return access[0] & 15 if access and not access[0] & 0x10 else None

    def _selector(self, step: Step) -> int:
        operand = step.operands[-1]
        if operand.type != X86_OP_MEM:
            return step.register(operand) & 0xFFFF
        segment, offset, _, _ = step.accesses()[-1]
        at = Linear(step[f"{segment}_base"] + offset)
        return int.from_bytes(self.engine.engine.read_linear(at, 2), "little")
