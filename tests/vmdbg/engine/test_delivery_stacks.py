"""Room for the frame of what struck, in real mode and where the ring stays (SDM 3A 6.12, 20.1.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Delivery
from vmdbg.engine.unicorn.bare import CODE, DATA, BareCpu
from vmdbg.units import Tick

SS, DF, UD, GP, SOFTWARE = 12, 8, 6, 13, 0x30
IDT_16, IDT_32, GDT = 0x5000, 0x5800, 0x6000
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
