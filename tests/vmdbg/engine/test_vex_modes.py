"""VEX outside 64-bit mode, its addresses, and what watchpoints say of wide operands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmdbg.engine.exits import Access, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn.bare import DATA, BareCpu
from vmdbg.units import Tick

OSXSAVE, CODE32, CODE16 = 1 << 18, 0xCF9B00, 0x8F9B00
UD = 6
ONES = (1 << 256) - 1
NUMBER = int.from_bytes(bytes(range(1, 33)), "little")


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu("x86-64-v3")
    yield bare
    bare.close()


def _prepared(cpu: BareCpu, **registers: int) -> None:
    cpu.reset()
    cpu.write(DATA, bytes(range(256)))
    cpu.write(DATA + 1, bytes(range(1, 33)))
    cpu.engine.write_registers({"cr4": cpu["cr4"] | OSXSAVE, "xcr0": 7} | registers)


def _run(cpu: BareCpu, code: str, **registers: int) -> int | None:
    """Only once in a while does an exception come; its vector."""
    _prepared(cpu, **registers)
    start = cpu.engine.clock
    cpu.run(bytes.fromhex(code))
    last = cpu.engine.deliveries()[-1:]
    return last[0].vector if last and last[0].tick >= start else None


@pytest.mark.parametrize(
    ("code", "flags", "registers"),
    [
        ("c5fe6f07", 0xAF9B00, {"rdi": DATA + 1}),
        ("c5fe6f4701", 0xAF9B00, {"rdi": DATA}),
        ("c4817e6f448701", 0xAF9B00, {"r15": DATA - 8, "r8": 2}),
        ("c5fe6f05f92f0000", 0xAF9B00, {}),  # from the next instruction on
        ("64c5fe6f4700", 0xAF9B00, {"rdi": DATA, "fs_base": 1}),
        ("67c5fe6f07", 0xAF9B00, {"rdi": DATA + 1 | 1 << 40}),
        ("c5fe6f07", CODE32, {"rdi": DATA + 1}),
        ("c5fe6f0501a00000", CODE32, {}),
        ("c5fe6f07", CODE32, {"rdi": DATA, "ds_base": 1}),
        ("c5fe6f450036", CODE32, {"rbp": DATA + 1}),
        ("67c5fe6f4001", CODE32, {"rbx": DATA - 0x10, "rsi": 0x10}),
        ("c5fe6f4001", CODE16, {"rbx": DATA - 0x10, "rsi": 0x10}),
        ("67c5fe6f07", CODE16, {"rdi": DATA + 1}),
    ],
)
def test_operands_are_found(cpu: BareCpu, code: str, flags: int, registers: dict[str, int]) -> None:
    assert _run(cpu, code, cs_flags=flags, **registers) is None
    assert cpu["ymm0"] == NUMBER


def test_vex_is_les_and_lds_elsewhere(cpu: BareCpu) -> None:
    assert _run(cpu, "c4e27d18c1", cs_flags=CODE32, xmm1=5) == UD or cpu["ymm0"]  # vbroadcastss: a register
    cpu.write(DATA, bytes.fromhex("7856341210000000"))
    _prepared(cpu, cs_flags=CODE32, rdi=DATA)
    cpu.write(DATA, bytes.fromhex("7856341210000000"))
    cpu.run(bytes.fromhex("c407"))  # les eax, [edi]
    assert (cpu["rax"], cpu["es"]) == (0x12345678, 0x10)


def test_outside_64_bit_mode_there_are_eight_registers(cpu: BareCpu) -> None:
    assert _run(cpu, "c5fc77", cs_flags=CODE32, ymm7=ONES, ymm8=ONES) is None  # vzeroall
    assert (cpu["ymm7"], cpu["ymm8"]) == (0, ONES)
    assert _run(cpu, "c5f877", cs_flags=CODE32, ymm7=ONES, ymm8=ONES) is None  # vzeroupper
    assert (cpu["ymm7"], cpu["ymm8"]) == ((1 << 128) - 1, ONES)


def test_upper_halves_are_cleared_by_vex_and_kept_by_sse(cpu: BareCpu) -> None:
    assert _run(cpu, "c5f058c1", ymm0=ONES) is None  # vaddps xmm0, xmm1, xmm1
    assert cpu["ymm0"] == 0
    for code in ("0f58c1", "660f3800c1", "0fc6c100", "660f70c100", "f30f10c1", "660f6fc1", "0f28c1", "660fefc0"):
        assert _run(cpu, code, ymm0=ONES) is None
        assert cpu["ymm0"] >> 128 == (1 << 128) - 1, code


@pytest.mark.parametrize("offset", [0, 1, 15, 16, 31, 32, 0xFF0, 0xFE1, 0xFEF, 0xFFF])
@pytest.mark.parametrize("stores", [False, True])
def test_a_wide_operand_meets_watchpoints_wherever_it_lies(cpu: BareCpu, offset: int, stores: bool) -> None:
    for watched in {offset, offset + 7, offset + 16, offset + 31}:
        _prepared(cpu, rdi=DATA + offset, ymm0=NUMBER)
        cpu.load(bytes.fromhex("c5fe7f07" if stores else "c5fe6f07"))
        cpu.engine.set_watchpoints([Watchpoint(1, DATA + watched, 1, frozenset(Access))])
        stop = cpu.engine.run(Tick(cpu.engine.clock + 1000))
        assert isinstance(stop, WatchpointHit)
        assert all(hit.access is (Access.WRITE if stores else Access.READ) for hit in stop.hits)
        assert any(hit.linear <= DATA + watched < hit.linear + hit.size for hit in stop.hits)
        if stores:
            assert cpu.read(DATA + offset, 32) == NUMBER
        cpu.engine.set_watchpoints([Watchpoint(1, DATA + offset - 1, 1, frozenset(Access))] if offset else [])
        cpu.load(bytes.fromhex("c5fe7f07" if stores else "c5fe6f07"))
        assert not isinstance(cpu.engine.run(Tick(cpu.engine.clock + 1000)), WatchpointHit)
        cpu.engine.set_watchpoints([])
