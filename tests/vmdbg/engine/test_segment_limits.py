"""Limits and types of segments where memory is accessed (SDM 3A 5.3 to 5.5, 20.1.1)."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted, TripleFault
from vmdbg.engine.unicorn.bare import CODE, DATA, BareCpu, LoggingBus
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.units import Physical, Tick
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

GP, SS, PAGES = 13, 12, 0xFFFFF000
DATA_RW, DATA_RO, DOWN, DOWN_16, CODE_X, CODE_RX, NULL = 0x409300, 0x409100, 0x409700, 0x9700, 0x409900, 0x409B00, 0


@dataclass(frozen=True)
class Access:
    source: str
    flags: int
    limit: int
    vector: int | None
    segment: str = "ds"
    registers: dict[str, int] = field(default_factory=dict)


ACCESSES = {
    "the last byte": Access("mov al, [ebx]", DATA_RW, 0xFFF, None, registers={"rbx": 0xFFF}),
    "the last word": Access("mov ax, [ebx]", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFFF}),
    "a qword of SSE": Access("movq xmm0, [ebx]", DATA_RW, 0xFFF, GP, registers={"rbx": 0x1000}),
    "of the x87": Access("fld qword [ebx]", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFF9}),
    "of an x87 that is off": Access("fld qword [ebx]", DATA_RW, 0xFFF, 7, registers={"rbx": 0xFF9, "cr0": 0x19}),
    "a store beyond": Access("mov [ebx], eax", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFFD}),
    "with LOCK": Access("lock inc dword [ebx]", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFFD}),
    "CMPXCHG8B": Access("cmpxchg8b [ebx]", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFF9}),
    "LEA accesses nothing": Access("lea eax, [ebx]", DATA_RW, 0xFFF, None, registers={"rbx": 0x5000}),
    "NOP neither": Access("nop dword [ebx]", DATA_RW, 0xFFF, None, registers={"rbx": 0x5000}),
    "by a prefix": Access("mov eax, [es:ebx]", DATA_RW, 0xFFF, GP, "es", {"rbx": 0xFFD}),
    "by FS": Access("mov eax, [fs:ebx]", DATA_RW, 0xFFF, GP, "fs", {"rbx": 0xFFD}),
    "by GS, which is null": Access("mov eax, [gs:ebx]", NULL, 0, GP, "gs"),
    "by a null DS": Access("mov eax, [ebx]", NULL, 0, GP),
    "wraps at 4 GiB": Access("mov eax, [ebx]", DATA_RW, 0xFFFFFFFE, GP, registers={"rbx": 0xFFFFFFFE}),
    "the stack": Access("mov eax, [ebp]", DATA_RW, 0xFFF, SS, "ss", {"rbp": 0xFFD}),
    "a push": Access("push eax", DATA_RW, 0xFFF, SS, "ss", {"rsp": 0x1001}),
    "a push within": Access("push eax", DATA_RW, 0xFFF, None, "ss", {"rsp": 0x1000}),
    "a pop": Access("pop eax", DATA_RW, 0xFFF, SS, "ss", {"rsp": 0xFFD}),
    "a call": Access("call $+5", DATA_RW, 0xFFF, SS, "ss", {"rsp": 0x2000}),
    "LEAVE": Access("leave", DATA_RW, 0xFFF, SS, "ss", {"rbp": 0xFFD, "rsp": 0x100}),
    "ENTER": Access("enter 8, 0", DATA_RW, 0xFFF, SS, "ss", {"rsp": 0x1002}),
    "expand-down, above": Access("mov eax, [ebx]", DOWN, 0xFFF, None, registers={"rbx": 0x1000}),
    "expand-down, below": Access("mov eax, [ebx]", DOWN, 0xFFF, GP, registers={"rbx": 0xFFF}),
    "expand-down of 16 bits": Access("mov eax, [ebx]", DOWN_16, 0xFFF, GP, registers={"rbx": 0xFFFD}),
    "read-only": Access("mov eax, [ebx]", DATA_RO, PAGES | 0xFFF, None),
    "a store to it": Access("mov [ebx], eax", DATA_RO, PAGES | 0xFFF, GP),
    "a change of it": Access("add [ebx], eax", DATA_RO, PAGES | 0xFFF, GP),
    "a test of it": Access("cmp [ebx], eax", DATA_RO, PAGES | 0xFFF, None),
    "code that is read": Access("mov eax, [ebx]", CODE_RX, PAGES | 0xFFF, None),
    "code that is not": Access("mov eax, [ebx]", CODE_X, PAGES | 0xFFF, GP),
    "a store to code": Access("mov [ebx], eax", CODE_RX, PAGES | 0xFFF, GP),
    "a string": Access("movsd", DATA_RW, 0xFFF, GP, "es", {"rsi": DATA, "rdi": 0xFFD}),
    "XLAT": Access("xlatb", DATA_RW, 0xFFF, GP, registers={"rbx": 0xFFF, "rax": 1}),
    "an offset": Access("mov eax, [0xffd]", DATA_RW, 0xFFF, GP),
    "a bit far away": Access("bts [ebx], eax", DATA_RW, 0xFFF, GP, registers={"rax": 0x8000}),
    "a bit below": Access("bt [ebx], eax", DATA_RW, 0xFFF, None, registers={"rbx": 0x1000, "rax": 0xFFFFFFFF}),
}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    made.engine.write_registers({"cr0": 0x11, "cr4": 0x600, "efer": 0, "cs_flags": 0xCF9B00, "rbx": DATA, "rsp": DATA})
    yield made
    made.close()


@pytest.mark.parametrize("name", ACCESSES)
def test_an_access_is_held_to_its_segment(cpu: BareCpu, name: str) -> None:
    access = ACCESSES[name]
    segment = {f"{access.segment}_limit": access.limit, f"{access.segment}_flags": access.flags}
    cpu.load(assemble(access.source, origin=CODE, bits=32))
    cpu.engine.write_registers(segment | access.registers)
    before = cpu.engine.read_registers(("rax", "rbx", "rbp", "rsi", "rdi"))
    cpu.engine.step()
    found = [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()][:1]
    assert found == ([] if access.vector is None else [(access.vector, 0, CODE)])
    if access.vector is not None:
        assert cpu.engine.read_registers(("rax", "rbx", "rbp", "rsi", "rdi")) == before


def test_code_ends_where_its_segment_ends_however_it_is_cut(cpu: BareCpu) -> None:
    for stepped in (False, True):
        cpu.load(assemble("nop\nnop\nnop\nmov eax, 1\nnop", origin=CODE, bits=32))
        cpu.engine.write_registers({"cs_limit": CODE + 5, "rax": 0})
        for _ in range(4 if stepped else 0):
            cpu.engine.step()
        if not stepped:
            cpu.engine.run(cpu.engine.clock + 4)  # type: ignore[arg-type]  # a tick
        assert (cpu.engine.deliveries()[0].vector, cpu.engine.deliveries()[0].rip, cpu["rax"]) == (GP, CODE + 3, 0)
        cpu.engine.write_registers({"cr0": 0x11, "cs": 8, "cs_flags": 0xCF9B00, "cs_base": 0})


JUMPS = ("jmp near {}", "call {}", "jmp short {}", "jmp ebx", "call ebx", "o16 jmp bx", "o16 call bx", "jmp word {}")


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("beyond", [True, False])
def test_a_jump_beyond_the_code_is_refused_where_it_is(cpu: BareCpu, jump: str, beyond: bool) -> None:
    target = CODE + 0x60
    cpu.load(assemble(jump.format(target), origin=CODE, bits=32))
    cpu.engine.write_registers({"cs_limit": target - 1 if beyond else target, "rbx": target, "rsp": DATA})
    cpu.engine.step()
    found = [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()][:1]
    assert found == ([(GP, 0, CODE)] if beyond else [])
    if beyond:
        return
    assert cpu["rip"] == target


@pytest.mark.parametrize(
    ("jump", "beyond"), [("jmp dword 0x10000", True), ("jmp dword 0xffff", False), ("jmp ecx", True)]
)
def test_in_real_mode_code_ends_at_64_kib(cpu: BareCpu, jump: str, beyond: bool) -> None:
    cpu.load(assemble(jump, origin=CODE, bits=16))
    cpu.engine.write_registers({"cr0": 0x10, "cs": 0, "cs_base": 0, "cs_limit": 0xFFFF, "cs_flags": 0x9B00})
    for name in ("ss", "ds", "es"):
        cpu.engine.write_registers({f"{name}_limit": 0xFFFF, f"{name}_flags": 0x9300})
    cpu.engine.write_registers({"rcx": 0x10000})
    cpu.engine.step()
    assert [(one.vector, one.rip) for one in cpu.engine.deliveries()][:1] == ([(GP, CODE)] if beyond else [])


def test_a_segment_loaded_in_a_block_is_checked_in_the_next_instruction(cpu: BareCpu) -> None:
    """Of a table that has a segment of one page at 10h."""
    cpu.write(0x6000 + 0x10, (0x0040930000000FFF).to_bytes(8, "little"))
    cpu.load(assemble("mov eax, 0x10\nmov ds, eax\nmov ecx, [0xffd]\nnop", origin=CODE, bits=32))
    cpu.engine.run(cpu.engine.clock + 30)  # type: ignore[arg-type]  # a tick
    assert [(one.vector, one.rip) for one in cpu.engine.deliveries()][:1] == [(GP, CODE + 7)]


EDGE = 0x10000
FORMS = ("bx+si", "bx+di", "bp+si", "bp+di", "si", "di", "bp", "bx", "")
FORMS_32 = ("ebx", "esi", "ebp", "esp", "ebx+2*esi", "ebp+8*edi", "4*edi", "esi+ebx", "")
WIDTHS = {1: "cl", 2: "cx", 4: "ecx"}


class RealMode:
    """What a program's instructions do to the registers that hold addresses, and which of them faults."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.before = {name: self._offset() for name in ("bx", "si", "di", "bp", "sp")}
        self.now = dict(self.before)
        self.faults: tuple[int, int] | None = None
        """The number of the instruction, and the vector."""
        self.has_room = True
        """For the frame of the fault."""
        self.lines: list[str] = []

    def _offset(self) -> int:
        return self.rng.choice((self.rng.randrange(0xFFF0, EDGE), self.rng.randrange(8), self.rng.randrange(EDGE)))

    def _access(self, offset: int, size: int, vector: int, *, wraps: bool = True) -> None:
        if (offset % EDGE if wraps else offset) + size > EDGE and self.faults is None:
            self.faults = len(self.lines), vector
            self.has_room = self.now["sp"] not in (1, 3, 5)

    def add(self) -> None:
        size = self.rng.choice(tuple(WIDTHS))
        match self.rng.randrange(6):
            case 0:
                size = max(size, 2)
                self._access(self.now["sp"] - size, size, SS)
                self.now["sp"] = (self.now["sp"] - size) % EDGE
                self.lines.append(f"push {WIDTHS[size]}")
            case 1:
                size = max(size, 2)
                self._access(self.now["sp"], size, SS)
                self.now["sp"] = (self.now["sp"] + size) % EDGE
                self.lines.append(f"pop {WIDTHS[size]}")
            case 2:
                self._access(self.now["di"], size, GP)
                self.now["di"] = (self.now["di"] + size) % EDGE
                self.lines.append("stos" + {1: "b", 2: "w", 4: "d"}[size])
            case 3:
                form, displacement = self.rng.choice(FORMS_32), self._offset()
                terms = [name.split("*") for name in form.split("+") if name]
                offset = displacement + sum(self.now[term[-1][1:]] * int(term[0] if term[1:] else 1) for term in terms)
                stack = terms and terms[0][0] in ("ebp", "esp")
                self._access(offset, size, SS if stack else GP, wraps=False)
                operand = f"[dword {form}+{displacement}]" if form else f"[dword {displacement}]"
                self.lines.append(f"mov {WIDTHS[size]}, {operand}")
            case _:
                form, displacement = self.rng.choice(FORMS), self._offset()
                offset = displacement + sum(self.now[name] for name in form.split("+") if name)
                self._access(offset, size, SS if "bp" in form else GP)
                register = WIDTHS[size]
                operand = f"[{form}+{displacement}]" if form else f"[{displacement}]"
                done = (f"mov {register}, {operand}", f"adc {operand}, {register}", f"cmp {register}, {operand}")
                self.lines.append(self.rng.choice(done))


@pytest.mark.parametrize("seed", range(60))
def test_offsets_of_16_bits_end_at_64_kib(seed: int) -> None:
    """In one block, of all forms and widths."""
    model = RealMode(random.Random(seed))
    for _ in range(model.rng.randrange(1, 14)):
        model.add()
    engine = UnicornEngine(1 << 20, LoggingBus(), (build_table(find_model("base")),))
    engine.write_ram(Physical(CODE), assemble("\n".join((*model.lines, "hlt")), origin=CODE, bits=16))
    for vector in (SS, GP):
        engine.write_ram(Physical(4 * vector), struct.pack("<2H", CODE - 1, 0))
    engine.write_ram(Physical(CODE - 1), b"\xf4")
    values = {
        "cs": 0,
        "cs_base": 0,
        "cs_limit": 0xFFFF,
        "cs_flags": 0x9B00,
        "idtr_limit": 0x3FF,
        "cr0": 0x10,
        "efer": 0,
    }
    for name in ("ds", "es", "ss"):
        values |= {name: 0x2000, f"{name}_base": 0x20000, f"{name}_limit": 0xFFFF, f"{name}_flags": 0x9300}
    engine.write_registers(values | {"rip": CODE, "rflags": 2})
    engine.write_registers({f"r{name}": value for name, value in model.before.items()})
    assert engine.run(Tick(engine.clock + 1000)) == (Halted() if model.has_room else TripleFault())
    found = [(one.rip, one.vector) for one in engine.deliveries()][: 1 if model.faults else None]
    engine.close()
    assert found == ([] if model.faults is None else [(_start(model, model.faults[0]), model.faults[1])])


def _start(model: RealMode, number: int) -> int:
    return CODE + len(assemble("\n".join(model.lines[:number]), origin=CODE, bits=16))
