"""An instruction whose access of memory faults has changed no register and no flag, so that it can be run again.

Source: SDM 3A 6.6.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from vmdbg.engine.unicorn.bare import CODE, DATA, PAGE_TABLE, PRESENT, STACK, BareCpu
from vmdbg.engine.unicorn.registers import GENERAL, REGISTERS
from vmdbg.units import PAGE_SIZE

PAGE = DATA + PAGE_SIZE
PAGE_FAULT, STATUS_FLAGS = 14, 0x8D5
MOVED = {"rip", "rsp", "cr2", "rflags", "eflags", "ss", "cs"}
"""By the delivery of the fault."""
KEPT = [name for name in REGISTERS if name not in MOVED and not name.startswith(("cs_", "ss_"))]
NO_OPCODES = bytes.fromhex("0f262e363e6465666740414243444546474849 4a4b4c4d4e4ff0f2f3")
LOADS_IN_PARTS = bytes.fromhex("d9dd")
"""FLDENV and FRSTOR across a page boundary: they load all of it again."""


def _instructions(prefix: bytes) -> Iterator[bytes]:
    """Of the one-byte and two-byte maps, with the operand at rbx."""
    for opcode in range(256):
        for reg in range(8):
            rest = bytes([3 | reg << 3, 5, 0, 0, 0, 0, 0, 0, 0])
            if opcode not in NO_OPCODES:
                yield prefix + bytes([opcode]) + rest
            yield prefix + bytes([0x0F, opcode]) + rest


def _registers(rng: random.Random, operand: int) -> dict[str, int]:
    values = {name: rng.getrandbits(64) for name in GENERAL if name != "rsp"}
    values |= {"rbx": operand, "rdi": operand, "rsi": DATA, "rcx": rng.choice([1, 2, 3])}
    values |= {f"xmm{number}": rng.getrandbits(128) for number in range(16)}
    return values | {"rflags": 2 | rng.getrandbits(12) & STATUS_FLAGS}


def _faulted(cpu: BareCpu, code: bytes, values: dict[str, int]) -> bool:
    """Whether it took a page fault; if so, nothing else has changed."""
    cpu.engine.write_registers(values)
    cpu.load(code)
    before, count = cpu.engine.read_registers(KEPT), cpu.engine.delivery_count
    cpu.engine.step()
    last = cpu.engine.delivery()
    if cpu.engine.delivery_count != count + 1 or last is None or last.vector != PAGE_FAULT or last.rip != CODE:
        return False
    pairs = zip(KEPT, before, cpu.engine.read_registers(KEPT), strict=True)
    changed = {name: (old, new) for name, old, new in pairs if old != new}
    if code.lstrip(b"\x66\x48\xf0\xf2\xf3")[0] in LOADS_IN_PARTS:
        changed.pop("fctrl", None)
    assert not changed, code.hex()
    assert cpu.read(STACK - 24, 8) & STATUS_FLAGS == values["rflags"] & STATUS_FLAGS, code.hex()
    return True


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [b"", b"\x66", b"\x48", b"\xf0", b"\xf2", b"\xf3"], ids=bytes.hex)
@pytest.mark.parametrize("entry", [0, PAGE | PRESENT], ids=["absent", "read-only"])
def test_an_access_that_faults_leaves_registers_and_flags(prefix: bytes, entry: int) -> None:
    cpu, rng, faults = BareCpu(), random.Random(1), 0
    cpu.write(PAGE_TABLE + 8 * (PAGE // PAGE_SIZE), entry.to_bytes(8, "little"))
    tables, fresh = bytes(cpu.engine.ram[:CODE]), cpu.engine.snapshot()
    for code in _instructions(prefix):
        for operand in (PAGE + 0x100, PAGE - 2):
            cpu.write(0, tables)
            cpu.engine.restore(fresh)  # the x87 too, which MMX instructions have reset by then
            faults += _faulted(cpu, code, _registers(rng, operand))
    assert faults > 100
    cpu.close()
