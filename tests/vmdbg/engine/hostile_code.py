"""Runs random code in every mode, with random registers and descriptors: `hostile_code FIRST_SEED COUNT`.

In a process of its own, for what it looks for is the end of the process. Each seed is said before it runs.
"""

from __future__ import annotations

import random
import sys

from vmdbg.engine.unicorn.bare import CODE, DATA, GDT, IDT, PDPT, STACK, WINDOW, BareCpu
from vmdbg.engine.unicorn.registers import GENERAL
from vmdbg.units import Tick

CODE32, DATA3 = 0xCF9B00, 0xCFF300
UNPAGED = {"cr0": 0x33, "efer": 0, "cr4": 0x600}
MODES: dict[str, dict[str, int]] = {
    "real": {"cr0": 0x10, "efer": 0, "cr4": 0x600, "cs": 0, "cs_base": 0, "cs_flags": 0x9B00, "cs_limit": 0xFFFF},
    "protected": UNPAGED | {"cs_flags": CODE32},
    "16-bit protected": UNPAGED | {"cs_flags": 0x8F9B00},
    "PAE": {"cr0": 0x80010033, "efer": 0x801, "cs_flags": CODE32, "cr3": PDPT},
    "long": {},
    "compatibility": {"cs_flags": CODE32},
    "ring 3": {"cs": 0x1B, "cs_flags": 0xAFFB00, "ss": 0x23, "ss_flags": DATA3},
    "virtual 8086": UNPAGED
    | {"rflags": 0x23202, "cs": 0, "cs_base": 0, "cs_limit": 0xFFFF, "cs_flags": 0xFB00, "ss_flags": 0xF300},
}
EDGES = [0, 1, 0xFF, 0x7FFF, 0x8000, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 63) - 1, (1 << 64) - 1]
PLACES = [DATA, DATA + 8, STACK - 64, CODE, GDT, IDT, WINDOW, DATA + 0x800]
PREFIXES = bytes.fromhex("66 67 f2 f3 f0 48 41 4f 2e 64")
STRINGS_AND_FAR = bytes.fromhex("a4a5a6a7aaabacadaeaf6c6d6e6fcfcacbc8c9cccdf19aeae4ecedee62639c9dc4c58e8cfafbf5")
VEX_OPCODES = bytes.fromhex("f2f3f5f6f7")
RESTS = [0, 1, 2, 4, 6]
FLAG_CHOICES = [0, 0, 0, 0x100, 0x400, 0x4000, 0x40000]
CODE_LENGTH, FRESH = 40, 500


def instruction(rng: random.Random) -> bytes:
    """Something like one: mostly of the maps where the rare ones are."""
    prefixes = bytes(rng.choice(PREFIXES) for _ in range(rng.choice([0, 0, 1, 1, 2])))
    rest = rng.randbytes(rng.choice(RESTS))
    match rng.randrange(8):
        case 0 | 1:
            return prefixes + bytes([0x0F, rng.randrange(256), rng.randrange(256)]) + rest
        case 2:
            modrm = rng.choice([0xC1, 0x06, 0x07, 0x00, rng.randrange(256)])
            return prefixes + bytes([0x0F, rng.choice([0x38, 0x3A]), rng.randrange(256), modrm]) + rest
        case 3:
            opcode = rng.choice([*VEX_OPCODES, rng.randrange(256)])
            return bytes([0xC4, rng.choice([0xE2, 0xE3, 0xC2]), rng.randrange(256), opcode]) + rest
        case 4:
            return prefixes + bytes([0xD8 + rng.randrange(8), rng.randrange(256)]) + rest
        case 5:
            return prefixes + bytes([rng.choice(STRINGS_AND_FAR)]) + rest
        case _:
            return rng.randbytes(rng.randrange(1, 8))


def registers(rng: random.Random) -> dict[str, int]:
    values = dict(MODES[rng.choice(list(MODES))])
    for name in GENERAL:
        if name != "rsp":
            values[name] = rng.choice([*EDGES, *PLACES]) if rng.random() < 0.7 else rng.getrandbits(64)
    values |= {f"xmm{number}": rng.getrandbits(128) for number in range(16)}
    values["rflags"] = values.get("rflags", 2) | rng.getrandbits(12) & 0x8D5 | rng.choice(FLAG_CHOICES)
    if rng.random() < 0.1:
        values |= {"dr7": rng.getrandbits(32), "dr0": DATA, "dr1": CODE + 3}
    if rng.random() < 0.1:
        values["cr4"] = values.get("cr4", 0x620) | rng.choice([1, 2, 4, 8, 0x10, 0x300000, 0x10000])
    if rng.random() < 0.1:
        values["cr0"] = values.get("cr0", 0x80010033) ^ rng.choice([8, 4, 2, 0x40000, 0x20])
    return values


def prepare(cpu: BareCpu, rng: random.Random) -> None:
    """Random code at CODE, half of it an endless loop, in a random mode."""
    cpu.reset()
    code = b""
    while len(code) < CODE_LENGTH:
        code += instruction(rng)
    if rng.random() < 0.5:
        code += bytes([0xEB, (-len(code) - 2) & 0xFF])
    cpu.write(CODE, code + b"\xf4" * 16)
    cpu.write(DATA, rng.randbytes(256))
    cpu.write(GDT + 0x18, rng.randbytes(64))
    cpu.engine.write_registers(registers(rng))


def provoke(cpu: BareCpu, rng: random.Random) -> None:
    prepare(cpu, rng)
    cpu.engine.cpus[0].set_interrupt(rng.random() < 0.1)
    cpu.engine.run(Tick(cpu.engine.clock + rng.choice([3, 20, 300, 3000])))
    for _ in range(rng.choice([0, 0, 5])):
        cpu.engine.step()
    cpu.engine.cpus[0].set_interrupt(False)


def main(first: int, count: int) -> None:
    cpu = BareCpu()
    for seed in range(first, first + count):
        print(seed, flush=True)
        if seed % FRESH == 0:
            cpu.close()
            cpu = BareCpu()
        cpu.bus.log.clear()
        provoke(cpu, random.Random(seed))
    cpu.close()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
