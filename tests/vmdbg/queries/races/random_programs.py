"""Programs for several CPUs at random, and what each of their instructions does, known without decoding it.

Each instruction that touches data has a name, by which its address is found in the assembler's listing. So a trace of
(CPU, address) pairs is all that is needed to say what happened.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

DATA = 0x210000
LOCKS = (DATA + 0x400, DATA + 0x404, DATA + 0x411, 0x283F00)
"""Two beside each other, one that is not aligned, and one in the memory of stacks."""
VECTORS = (0x60, 0x61)
ADDRESSES = (0, 1, 2, 4, 7, 8, 12, 0xFFC, 0xFFE, 0x1000, 0x1002)
"""Of data, from DATA on: overlapping, across words and across a page's end."""
COUNTERS = (DATA + 0x800, DATA + 0x810)
"""That are counted up by locked instructions alone, and looked at."""
FINISHED = DATA + 0x900


@dataclass(frozen=True, slots=True)
class Touch:
    """What an instruction does to `size` bytes of memory."""

    address: int
    size: int
    reads: bool
    writes: bool
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """All that an instruction does: to data, to a lock ("take", which may fail, or "give"), or to another CPU."""

    touches: tuple[Touch, ...] = ()
    lock: int = 0
    gives: bool = False
    sends: tuple[int, int] | None = None
    comes: int | None = None
    """The vector of the interrupt by which a CPU comes here; it has happened before the instruction runs."""


@dataclass(slots=True)
class Program:
    """`deeds` by the names of the instructions that do them."""

    cpus: int
    seed: int
    deeds: dict[str, Deed] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def add(self, instruction: str, deed: Deed) -> None:
        name = f"deed_{len(self.deeds)}"
        self.deeds[name] = deed
        self.lines.append(f"{name}: {instruction}")


_REGISTERS = {1: "al", 2: "ax", 4: "eax", 8: "rax"}
_WORDS = {1: "byte", 2: "word", 4: "dword", 8: "qword"}


def _plain(program: Program) -> None:
    """One instruction that is not locked."""
    chance = program.chance
    size = chance.choice((1, 2, 4, 4, 8))
    at = DATA + chance.choice(ADDRESSES)
    there = f"{_WORDS[size]} [{at:#x}]"
    load, store, change = Touch(at, size, True, False), Touch(at, size, False, True), Touch(at, size, True, True)
    other = DATA + chance.choice([one for one in ADDRESSES if DATA + one != at])
    forms: list[tuple[str, tuple[Touch, ...]]] = [
        (f"mov {_REGISTERS[size]}, {there}", (load,)),
        (f"cmp {there}, 1", (load,)),
        (f"test {there}, 1", (load,)),
        (f"mov {there}, 5", (store,)),
        (f"mov {there}, {_REGISTERS[size]}", (store,)),
        (f"inc {there}", (change,)),
        (f"xor {there}, 3", (change,)),
        (f"push qword [{at:#x}]", (Touch(at, 8, True, False),)),
        (f"movups xmm0, [{at:#x}]", (Touch(at, 16, True, False),)),
        (f"movups [{at:#x}], xmm0", (Touch(at, 16, False, True),)),
        (f"sete byte [{at:#x}]", (Touch(at, 1, False, True),)),
        (f"bts dword [{at:#x}], 3", (Touch(at, 4, True, True),)),
    ]
    instruction, touches = chance.choice(forms)
    if chance.random() < 0.1:
        program.lines += [f"mov esi, {at:#x}", f"mov edi, {other:#x}"]
        instruction, touches = f"movs{'bwdq'[(1, 2, 4, 8).index(size)]}", (load, Touch(other, size, False, True))
    elif chance.random() < 0.05:
        program.lines += ["sub rsp, 8"]
        instruction, touches = f"pop qword [{at:#x}]", (Touch(at, 8, False, True),)
    program.add(instruction, Deed(touches))
    if instruction.startswith("push"):
        program.lines.append("add rsp, 8")


def _counted(program: Program) -> None:
    """A word of locked accesses, by which CPUs are in step, or a look at one."""
    at = program.chance.choice(COUNTERS)
    both = (Touch(at, 4, True, True, True),)
    instruction, touches = program.chance.choice(
        (
            (f"lock inc dword [{at:#x}]", both),
            (f"lock add [{at:#x}], r14d", both),
            (f"xchg [{at:#x}], ebp", both),
            (f"mov ebx, [{at:#x}]", (Touch(at, 4, True, False),)),
        )
    )
    program.lines.append("lea ebp, [r15 + 0x70000000]")
    program.add(instruction, Deed(touches))


def _section(program: Program, depth: int) -> None:
    """Something done with a lock."""
    chance, lock = program.chance, program.chance.choice(LOCKS[depth:])
    name = f"section_{len(program.deeds)}"
    kind = chance.randrange(3)
    program.lines.append(f"{name}:")
    if kind == 0:
        program.lines.append("mov eax, 1")
        program.add(f"xchg [{lock:#x}], al", Deed(lock=lock))
        program.lines += ["test al, al", f"jz {name}_in", "pause", f"jmp {name}", f"{name}_in:"]
    elif kind == 1:
        program.add(f"lock bts word [{lock:#x}], 0", Deed(lock=lock))
        program.lines += [f"jnc {name}_in", "pause", f"jmp {name}", f"{name}_in:"]
    else:
        program.lines += ["xor eax, eax", "mov ebx, 1"]
        program.add(f"lock cmpxchg [{lock:#x}], bl", Deed(lock=lock))
        program.lines += [f"jz {name}_in", "pause", f"jmp {name}", f"{name}_in:"]
    for _ in range(chance.randrange(1, 4)):
        _plain(program)
        if depth + 1 < len(LOCKS) and chance.random() < 0.2:
            _section(program, depth + LOCKS[depth:].index(lock) + 1) if lock != LOCKS[-1] else None
    give = chance.choice((f"mov byte [{lock:#x}], 0", f"lock and byte [{lock:#x}], 0", f"lock btr word [{lock:#x}], 0"))
    program.add(give, Deed(lock=lock, gives=True))


def _message(program: Program, cpu: int) -> None:
    chance = program.chance
    to, vector = chance.choice([one for one in range(program.cpus) if one != cpu]), chance.choice(VECTORS)
    program.lines.append(f"mov dword [ICR_HIGH], {to << 24:#x}")
    program.add(f"mov dword [ICR_LOW], {0x4000 | vector:#x}", Deed(sends=(to, vector)))


def _work(program: Program, cpu: int, length: int) -> None:
    program.lines.append(f"work_{cpu}:")
    for _ in range(length):
        drawn = program.chance.random()
        if drawn < 0.45:
            _plain(program)
        elif drawn < 0.6:
            _counted(program)
        elif drawn < 0.85:
            _section(program, 0)
        elif drawn < 0.92:
            _message(program, cpu)
        else:
            program.lines.append(f"delay {program.chance.randrange(1, 60)}")
    program.lines.append("ret")


def _handlers(program: Program) -> None:
    for vector in VECTORS:
        name = f"deed_{len(program.deeds)}"
        program.deeds[name] = Deed(comes=vector)
        program.lines += [f"{name} equ stubs + 16 * {vector}", f"on_{vector}:", "push rax"]
        for _ in range(2):
            at = DATA + program.chance.choice(ADDRESSES)
            program.add(f"inc dword [{at:#x}]", Deed((Touch(at, 4, True, True),)))
        program.lines += ["pop rax", "mov dword [LAPIC_EOI], 0", "ret"]


def random_program(seed: int, cpus: int, length: int = 14) -> Program:
    """On top of smp.inc. Each CPU takes its part, counts itself finished and sleeps; the first ends the run."""
    program = Program(cpus, seed)
    program.lines.append("work:\nmov r14d, 3\ncall part")
    program.add(f"lock inc dword [{FINISHED:#x}]", Deed((Touch(FINISHED, 4, True, True, True),)))
    program.lines.append("ret\nwait_for_all:\npause")
    program.add(f"cmp dword [{FINISHED:#x}], {cpus}", Deed((Touch(FINISHED, 4, True, False),)))
    program.lines.append("jb wait_for_all\nfinish 0")
    for cpu in range(cpus):
        _work(program, cpu, length)
    _handlers(program)
    return program


def source(program: Program) -> str:
    """The text of the guest. A table at its very end has where the instructions with names are."""
    jumps = "\n".join(f"cmp r15d, {cpu}\nje work_{cpu}" for cpu in range(program.cpus))
    handlers = "\n".join(f"set_handler {vector}, on_{vector}" for vector in VECTORS)
    table = "\n".join(f"dq {name}" for name in program.deeds)
    body = "\n".join(program.lines)
    return f"""; at org 100000h, as long.inc says
%include "long.inc"
%include "smp.inc"
    mov edi, {DATA}
    mov ecx, 2000h / 8
    xor eax, eax
    rep stosq
    mov byte [{LOCKS[-1]:#x}], 0
{handlers}
    call start_others
    xor r15d, r15d
    sti
    call work
    jmp wait_for_all
ap_main:
    sti
    call work
sleep:
    hlt
    jmp sleep
part:
{jumps}
    ret
{body}
    align 8
table:
{table}
"""


def addresses(program: Program, image: bytes) -> dict[int, Deed]:
    """What the instructions at these addresses do."""
    table = image[-8 * len(program.deeds) :]
    listed: Iterator[int] = (int.from_bytes(table[at : at + 8], "little") for at in range(0, len(table), 8))
    return dict(zip(listed, program.deeds.values(), strict=True))
