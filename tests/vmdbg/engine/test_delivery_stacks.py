"""Room for the frame of what struck, in real mode and where the ring stays (SDM 3A 6.12, 20.1.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Delivery
from vmdbg.engine.unicorn.bare import CODE, DATA, IDT, BareCpu
from vmdbg.units import Tick

SS, DF, UD, GP, SOFTWARE = 12, 8, 6, 13, 0x30
IDT_16, IDT_32, GDT, TASK = 0x5000, 0x5800, 0x6000, 0x6800
UP, DOWN, DOWN_BIG = 0x9300, 0x9700, 0x409700
SOURCES = {SOFTWARE: "int 0x30", UD: "ud2", GP: "mov cr0, eax"}
"""The last of PG without PE."""


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    yield made
    made.close()


def _strike(cpu: BareCpu, source: str, bits: int) -> tuple[Delivery, ...]:
    cpu.load(assemble(source, origin=CODE, bits=bits))
    before = cpu.engine.delivery_count
    cpu.engine.run(Tick(cpu.engine.clock + 3))
    known = cpu.engine.delivery_count - before
    return cpu.engine.deliveries()[-known:] if known else ()


def _without_room(vector: int) -> list[int]:
    """#SS after #GP is #DF at once (SDM 3A table 6-5)."""
    return [DF] if vector == GP else [SS, DF]


@pytest.mark.parametrize("limit", [0xFFFF, 0xFFF, 5])
@pytest.mark.parametrize("vector", SOURCES)
def test_in_real_mode(cpu: BareCpu, vector: int, limit: int) -> None:
    for number in (SOFTWARE, UD, GP, SS, DF):
        cpu.write(IDT_16 + 4 * number, struct.pack("<2H", CODE + 0x40, 0))
    cpu.write(CODE + 0x40, b"\xeb\xfe")
    start = cpu.engine.snapshot()
    for sp in (*range(10), *range(0xFFA, 0x100A), 0xFFFE, 0xFFFF):
        registers = {
            "cr0": 0x10,
            "cr4": 0,
            "efer": 0,
            "rflags": 2,
            "cs": 0,
            "cs_base": 0,
            "cs_limit": 0xFFFF,
            "cs_flags": 0x9B00,
        }
        registers |= {
            "ss": DATA >> 4,
            "ss_base": DATA,
            "ss_limit": limit,
            "ss_flags": 0x9300,
            "rsp": sp,
            "rax": 0x80000000,
        }
        cpu.engine.restore(start)
        cpu.engine.write_registers(registers | {"idtr_base": IDT_16, "idtr_limit": 0x3FF})
        vectors = [one.vector for one in _strike(cpu, SOURCES[vector], 16)]
        fits = all((sp - 2 * word) % 0x10000 + 1 <= limit for word in (1, 2, 3))
        assert vectors == ([vector] if fits else [vector, *_without_room(vector)]), hex(sp)


@pytest.mark.parametrize("flags", [UP, DOWN, DOWN_BIG], ids=["up", "down", "down, of 32 bits"])
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("vector", SOURCES)
def test_where_the_ring_stays(cpu: BareCpu, vector: int, size: int, flags: int) -> None:
    cpu.write(GDT + 8, (0x00CF9B000000FFFF).to_bytes(8, "little"))
    for number in (SOFTWARE, UD, GP, SS, DF):
        cpu.write(IDT_32 + 8 * number, struct.pack("<HHHH", CODE + 0x40, 8, 0x8E00 if size == 4 else 0x8600, 0))
    cpu.write(CODE + 0x40, b"\xeb\xfe")
    words, big, limit = 4 if vector == GP else 3, bool(flags >> 22), 0xFFF
    top = 0xFFFFFFFF if big else 0xFFFF
    start = cpu.engine.snapshot()
    for sp in (*range(0xFF0, 0x1014), 2, 6, 0xFFFF):
        registers = {
            "cr0": 0x11,
            "cr4": 0,
            "efer": 0,
            "rflags": 2,
            "cs": 8,
            "cs_base": 0,
            "cs_limit": 0xFFFFFFFF,
            "cs_flags": 0xCF9B00,
        }
        registers |= {"ss": 0x10, "ss_base": DATA, "ss_limit": limit, "ss_flags": flags, "rsp": sp, "rax": 0x80000000}
        cpu.engine.restore(start)
        cpu.engine.write_registers(registers | {"idtr_base": IDT_32, "idtr_limit": 0x7FF})
        found = _strike(cpu, SOURCES[vector], 32)
        offsets = [(sp - size * word) & top for word in range(1, words + 1)]
        down = flags != UP
        fits = all(one > limit and one + size - 1 <= top if down else one + size - 1 <= limit for one in offsets)
        expected = [vector] if fits else [vector, *_without_room(vector)[:1]]
        assert [one.vector for one in found][:2] == expected, hex(sp)
        if not fits and found[1].vector == SS:
            assert found[1].error_code == (0 if vector == SOFTWARE else 1), "EXT"


RING_3 = {"cs": 0x1B, "cs_flags": 0xCFFB00, "ss": 0x23, "ss_base": 0, "ss_limit": 0xFFFFFFFF, "ss_flags": 0xCFF300}
VIRTUAL_8086 = {"cs": 0, "cs_flags": 0xF300, "cs_limit": 0xFFFF, "ss": DATA >> 4, "ss_base": DATA, "ss_limit": 0xFFFF}
INNER = 0x28
"""The selector of ring 0's stack."""


def _enter_ring_3(cpu: BareCpu, flags: int, esp: int, *, virtual: bool) -> None:
    """Ring 0's stack has 1000h bytes from DATA on, or what is not of them."""
    registers = {"cr0": 0x11, "cr4": 0, "efer": 0, "rflags": 0x23002 if virtual else 2, "cs_base": 0, "rsp": 0x800}
    registers |= RING_3 | {"cs_limit": 0xFFFFFFFF} | (VIRTUAL_8086 | {"ss_flags": 0xF300} if virtual else {})
    registers |= {"gdtr_base": GDT, "gdtr_limit": 0x3F, "idtr_base": IDT_32, "idtr_limit": 0x7FF, "rax": 0x80000000}
    registers |= {"tr": 0x30, "tr_base": TASK, "tr_limit": 0x67, "tr_flags": 0x8B00}
    descriptor = 0xFFF | DATA << 16 | (flags & 0xFF00) << 32 | (flags & 0xF00000) << 32
    cpu.write(GDT + INNER, struct.pack("<Q", descriptor))
    cpu.write(TASK + 4, struct.pack("<2I", esp, INNER))
    cpu.engine.write_registers(registers)


def _fits(esp: int, size: int, words: int, flags: int) -> bool:
    big, down = bool(flags >> 22 & 1), flags & 0x400
    top = 0xFFFFFFFF if big else 0xFFFF
    offsets = [(esp - size * word) & top for word in range(1, words + 1)]
    return all(one > 0xFFF and one + size - 1 <= top if down else one + size - 1 <= 0xFFF for one in offsets)


@pytest.mark.parametrize(
    "flags", [UP, UP | 1 << 22, DOWN, DOWN_BIG], ids=["up", "up, of 32 bits", "down", "down, of 32 bits"]
)
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("virtual", [False, True], ids=["ring 3", "virtual-8086 mode"])
@pytest.mark.parametrize("vector", SOURCES)
def test_on_the_stack_of_ring_0(cpu: BareCpu, vector: int, virtual: bool, size: int, flags: int) -> None:
    """#SS of its selector, which has no room there either: #DF (SDM 2A, INT n)."""
    for slot, value in ((1, 0x00CF9B000000FFFF), (3, 0x00CFFB000000FFFF), (4, 0x00CFF3000000FFFF)):
        cpu.write(GDT + 8 * slot, value.to_bytes(8, "little"))
    for number in (SOFTWARE, UD, GP, SS, DF):
        cpu.write(IDT_32 + 8 * number, struct.pack("<HHHH", CODE + 0x40, 8, 0xEE00 if size == 4 else 0xE600, 0))
    cpu.write(CODE + 0x40, b"\xeb\xfe")
    words = 5 + (vector == GP) + 4 * virtual
    start = cpu.engine.snapshot()
    for esp in (0xFF8, 0x1000, 0x1004, *range(size * (words - 1), size * (words + 1) + 1, 2), 0x1040, 0x2000, 0xFFFF):
        cpu.engine.restore(start)
        _enter_ring_3(cpu, flags, esp, virtual=virtual)
        found = _strike(cpu, SOURCES[vector], 16 if virtual else 32)
        second = DF if vector == GP else SS
        expected = [vector] if _fits(esp, size, words, flags) else [vector, second]
        assert [one.vector for one in found][:2] == expected, hex(esp)
        if len(expected) > 1 and second == SS:
            assert found[1].error_code == INNER + (0 if vector == SOFTWARE else 1), "EXT"
            assert found[1].cpl == 3


@pytest.mark.parametrize("flags", [UP, DOWN, DOWN_BIG], ids=["up", "down", "down, of 32 bits"])
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("parameters", [0, 1, 31])
def test_of_a_call_gate(cpu: BareCpu, parameters: int, size: int, flags: int) -> None:
    """For parameters and the return (SDM 2A, CALL)."""
    for slot, value in ((1, 0x00CF9B000000FFFF), (3, 0x00CFFB000000FFFF), (4, 0x00CFF3000000FFFF)):
        cpu.write(GDT + 8 * slot, value.to_bytes(8, "little"))
    gate = struct.pack("<HHBBH", CODE + 0x40, 8, parameters, 0xEC if size == 4 else 0xE4, 0)
    cpu.write(GDT + 0x38, gate)
    cpu.write(CODE + 0x40, b"\xeb\xfe")
    start, words = cpu.engine.snapshot(), 4 + parameters
    for esp in (
        0xFF8,
        0x1000,
        0x1004,
        *range(size * (words - 1), size * (words + 1) + 1, 2),
        0x1000 + size * words,
        0x2000,
    ):
        cpu.engine.restore(start)
        _enter_ring_3(cpu, flags, esp, virtual=False)
        found = _strike(cpu, "call 0x3b:0", 32)[:1]
        if _fits(esp, size, words, flags):
            assert not found
            assert (cpu["rip"], cpu["cs"]) == (CODE + 0x40, 8)
        else:
            assert [(one.vector, one.error_code, one.rip) for one in found] == [(SS, INNER, CODE)], hex(esp)


def test_a_frame_that_goes_where_its_gate_is_changes_nothing_of_where_it_leads() -> None:
    """What it makes of the gate looks like one of the 286, whose offset has 16 bits."""
    cpu, handler, gate = BareCpu(), 0x12345678, IDT + 8 * 6
    cpu.write(GDT, struct.pack("<3Q", 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF))
    cpu.write(gate, struct.pack("<HHHH", handler & 0xFFFF, 8, 0x8E00, handler >> 16))
    values = {"cr0": 0x11, "cr4": 0, "efer": 0, "cs_flags": 0xCF9B00, "rip": CODE, "rsp": gate + 16}
    cpu.engine.write_registers(values)
    cpu.write(CODE, b"\x0f\x0b")
    cpu.engine.step()
    assert (cpu["rip"], cpu.read(gate + 4, 4)) == (handler, CODE)
    cpu.close()
