"""Of an instruction at the end of a page no byte is fetched that is not its own: whatever the next page is, it runs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import capstone
import pytest

from vmdbg.engine.processor import CpuSnapshot
from vmdbg.engine.unicorn.bare import DATA, GDT, PAGE_TABLE, STACK, BareCpu

PF, MISSING_PAGE = 14, 12 << 12
FLAT_32, FLAT_16, LIMITED_32 = 0xCF9B00, 0x8F9B00, 0x409B00
MODES: dict[str, tuple[int, dict[str, int]]] = {
    "64 bits": (64, {}),
    "32 bits": (32, {"cs_flags": FLAT_32}),
    "32 bits with a limit": (32, {"cs_flags": LIMITED_32, "cs_limit": 0xFFFFE}),
    "16 bits with a limit": (16, {"cs_flags": FLAT_16 & ~0x800000, "cs_limit": 0xFFFF}),
}
PREFIXES = {
    16: (b"", b"\x66", b"\xf0", b"\xf3"),
    32: (b"", b"\x66", b"\xf0", b"\xf2"),
    64: (b"", b"\x66", b"\xf0", b"\x48"),
}
WITHOUT_MODRM = (*range(0x04, 0x0D), 0x0E, *range(0x30, 0x38), 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, *range(0xC8, 0xD0))
"""Of map 0F, whatever the decoder knows of them."""
UD0 = 0xFF
"""Which has one, by Intel's books."""
REFUSED = {16: b"\xf0\x90", 32: b"\xf0\x90", 64: b"\x06"}


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[BareCpu, CpuSnapshot]]:
    cpu = BareCpu("x86-64-v3")
    cpu.write(PAGE_TABLE + 8 * 12, bytes(8))
    cpu.write(GDT + 0x18, struct.pack("<Q", 0x00CFF3000000FFFF))
    yield cpu, cpu.engine.snapshot()
    cpu.close()


def _length(code: bytes, bits: int) -> int:
    """As far as the decoder knows; 0: no instruction."""
    modes = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}
    found = next(capstone.Cs(capstone.CS_ARCH_X86, modes[bits]).disasm_lite(code, 0), None)
    return found[1] if found else 0


def _is_near_branch(opcode: int, bits: int) -> bool:
    """Jcc, for which an Intel CPU ignores 66 in 64-bit code."""
    return bits == 64 and 0x80 <= opcode < 0x90


def _codes(bits: int) -> Iterator[bytes]:
    """Every opcode of one byte and of map 0F, with prefixes, its operands being registers, constants of 0 or none."""
    for prefix in PREFIXES[bits]:
        for opcode in range(256):
            code = prefix + bytes([opcode, 0xC0]) + bytes(12)
            if opcode != 0x0F and (length := _length(code, bits)):
                yield code[:length]
            code = prefix + bytes([0x0F, opcode, 0xC1]) + bytes(12)
            if (
                opcode != UD0
                and not (prefix == b"\x66" and _is_near_branch(opcode, bits))
                and (length := _length(code, bits))
            ):
                yield code[:length]
        for opcode in WITHOUT_MODRM:
            yield prefix + bytes([0x0F, opcode])
    yield REFUSED[bits]


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("mode", MODES)
def test_no_instruction_needs_the_page_behind_it(made: tuple[BareCpu, CpuSnapshot], mode: str, ring: int) -> None:
    cpu, start = made
    bits, values = MODES[mode]
    wrong = []
    for code in _codes(bits):
        cpu.engine.restore(start)
        at = MISSING_PAGE - len(code)
        cpu.write(at, code)
        general = {"rsp": STACK - 512, "rdi": DATA, "rsi": DATA, "rbx": DATA, "rcx": 1}
        cpu.engine.write_registers(values | general | {"rip": at})
        if ring:
            rings = {f"{name}_flags": cpu[f"{name}_flags"] | 0x6000 for name in ("cs", "ss")}
            cpu.engine.write_registers({"cs": 0x1B, "ss": 0x1B} | rings)
        before = cpu.engine.delivery_count
        cpu.engine.step()
        new = (
            cpu.engine.deliveries()[before - cpu.engine.delivery_count :] if cpu.engine.delivery_count > before else ()
        )
        if any(one.vector == PF and one.rip == at and one.cr2 & ~0xF == MISSING_PAGE for one in new):
            wrong.append(code.hex(" "))
    assert not wrong


def test_an_instruction_that_is_longer_does(made: tuple[BareCpu, CpuSnapshot]) -> None:
    cpu, start = made
    for code in (b"\x0f", b"\x81", b"\x66", b"\xf0\xff", b"\x0f\x38", b"\xc5\xf8", b"\xd9", b"\x0f\xae", b"\x0f\xc7"):
        cpu.engine.restore(start)
        cpu.write(MISSING_PAGE - len(code), code)
        cpu.engine.write_registers({"rip": MISSING_PAGE - len(code)})
        before = cpu.engine.delivery_count
        cpu.engine.step()
        fault = cpu.engine.deliveries()[before - cpu.engine.delivery_count]
        assert (fault.vector, fault.cr2, fault.rip) == (PF, MISSING_PAGE, MISSING_PAGE - len(code)), code.hex(" ")
