"""Far transfers: what 64-bit code segments are, where returns may lead, and the words that they pop and push."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA64, GDT, PAGE_DIRECTORY, PDPT, STACK, BareCpu

GP, SS, TARGET = 13, 12, 0x7100
LONG_STACK_TABLES, LONG_STACK = (0xB000, 0xC000), 0xD000
"""Of 4 GiB and the stack's page behind it, which no address of 32 bits has."""
FLAT_32, LONG_BIT, BIG, GRANULAR = 0xCF9B00, 1 << 21, 1 << 22, 1 << 23
LAST_LOW, FIRST_HIGH = 0x7FFF_FFFF_FFFF, 0xFFFF_8000_0000_0000
NOT_CANONICAL = (LAST_LOW + 1, FIRST_HIGH - 1, 1 << 63)


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    made.write(PDPT + 8 * 4, struct.pack("<Q", LONG_STACK_TABLES[0] | 7))
    made.write(LONG_STACK_TABLES[0], struct.pack("<Q", LONG_STACK_TABLES[1] | 7))
    made.write(LONG_STACK_TABLES[1] + 8 * 9, struct.pack("<Q", LONG_STACK | 7))
    yield made
    made.close()


def _descriptor(base: int, limit: int, access: int, flags: int) -> bytes:
    """`access` is byte 5, `flags` the upper half of byte 6."""
    parts = (limit & 0xFFFF, base & 0xFFFF, base >> 16 & 0xFF, access, limit >> 16 & 15 | flags << 4, base >> 24)
    return struct.pack("<HHBBBB", *parts)


def _words(size: int, *values: int) -> bytes:
    return b"".join((value & (1 << 8 * size) - 1).to_bytes(size, "little") for value in values)


def _step(cpu: BareCpu, code: bytes) -> list[tuple[int, int, int]]:
    """Vectors, error codes and rip of what one instruction raises first."""
    cpu.write(CODE, code.ljust(16, b"\xf4"))
    before = cpu.engine.delivery_count
    cpu.engine.step()
    return (
        [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()]
        if cpu.engine.delivery_count > before
        else []
    )


@pytest.mark.parametrize("base", [0, 0x1000, 0x12345678, 0xFFFFF000])
@pytest.mark.parametrize("way", ["jmp", "call", "retf", "iret", "set"])
def test_code_of_64_bits_has_no_base(cpu: BareCpu, way: str, base: int) -> None:
    """Whatever its descriptor says (SDM 3A 5.2.1), nor does a debugger give it one."""
    cpu.write(GDT + 0x18, _descriptor(base, 0, 0x9B, 0xA))
    cpu.engine.write_registers({"gdtr_limit": 0x1F, "rbx": STACK - 0x80, "rsp": STACK - 0x100})
    cpu.write(STACK - 0x80, struct.pack("<QH", TARGET, 0x18))
    cpu.write(STACK - 0x100, _words(8, TARGET, 0x18, 2, STACK - 0x40, DATA64))
    cpu.write(TARGET, b"\x90")
    codes = {"jmp": b"\x48\xff\x2b", "call": b"\x48\xff\x1b", "retf": b"\x48\xcb", "iret": b"\x48\xcf"}
    if way == "set":
        cpu.engine.write_registers({"rip": TARGET, "cs_base": base})
    else:
        assert _step(cpu, codes[way]) == []
    assert (cpu["rip"], cpu["cs_base"]) == (TARGET, 0)
    cpu.engine.step()
    assert (cpu["rip"], cpu.engine.linear_pc) == (TARGET + 1, TARGET + 1)


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("way", ["retf", "retf 24", "iret", "call"])
@pytest.mark.parametrize("ss", ["flat", "null", "based"])
def test_in_64_bit_code_the_stack_is_at_rsp(cpu: BareCpu, way: str, size: int, ss: str) -> None:
    """All of it, whatever SS is and however wide the words are (SDM 1 6.2.5)."""
    rsp, physical = (4 << 30) + 0x9F00, LONG_STACK + 0xF00
    words = _words(size, TARGET, CODE64, 0x46, STACK - 0x40, DATA64)
    cpu.write(physical, words)
    cpu.write(physical - 24, b"\xee" * 24)
    cpu.write(STACK - 0x80, _words(size, TARGET, CODE64))
    kinds = {"flat": {}, "null": {"ss": 0, "ss_flags": 0}, "based": {"ss_base": 0x1000}}
    cpu.engine.write_registers({"rsp": rsp, "rbx": STACK - 0x80, **kinds[ss]})
    prefix = {2: b"\x66", 4: b"", 8: b"\x48"}[size]
    codes = {"retf": b"\xcb", "retf 24": b"\xca\x18\0", "iret": b"\xcf", "call": b"\xff\x1b"}
    code = prefix + codes[way]
    assert _step(cpu, code) == []
    after = {"retf": rsp + 2 * size, "retf 24": rsp + 2 * size + 24, "iret": STACK - 0x40, "call": rsp - 2 * size}
    assert (cpu["rip"], cpu["cs"], cpu["rsp"]) == (TARGET, CODE64, after[way])
    if way == "iret":
        assert cpu["rflags"] == 0x46
    if way == "call":
        pushed = cpu.read(physical - size, size), cpu.read(physical - 2 * size, size)
        assert pushed == (CODE64, CODE + len(code) & (1 << 8 * size) - 1)
        assert cpu.read(physical - 2 * size - 1, 1) == 0xEE


@pytest.mark.parametrize("size", [2, 4])
def test_a_narrow_return_that_faults_leaves_rsp(cpu: BareCpu, size: int) -> None:
    rsp = (4 << 30) + 0x9F00
    cpu.write(LONG_STACK + 0xF00, _words(size, TARGET, 0x50))
    cpu.engine.write_registers({"rsp": rsp})
    assert _step(cpu, {2: b"\x66\xcb", 4: b"\xcb"}[size]) == [(GP, 0x50, CODE)]
    assert cpu.engine.deliveries()[0].rsp == rsp


@pytest.mark.parametrize("target", [*NOT_CANONICAL, LAST_LOW, FIRST_HIGH])
@pytest.mark.parametrize("way", ["jmp", "call", "retf", "iret"])
def test_far_transfers_to_where_no_address_is_fault_where_they_are(cpu: BareCpu, way: str, target: int) -> None:
    cpu.write(STACK - 0x80, struct.pack("<QH", target, CODE64))
    cpu.write(STACK - 0x100, _words(8, target, CODE64, 2, STACK - 0x40, DATA64))
    cpu.engine.write_registers({"rbx": STACK - 0x80, "rsp": STACK - 0x100, "rflags": 0x8D7})
    code = {"jmp": b"\x48\xff\x2b", "call": b"\x48\xff\x1b", "retf": b"\x48\xcb", "iret": b"\x48\xcf"}[way]
    assert _step(cpu, code) == ([(GP, 0, CODE)] if target in NOT_CANONICAL else [])
    if target in NOT_CANONICAL:
        assert cpu.engine.deliveries()[0].rsp == STACK - 0x100
        assert (cpu["cs"], cpu["rflags"] & 0x8D5) == (CODE64, 0x8D5)


@pytest.mark.parametrize("way", ["jmp", "call", "retf", "iret"])
def test_code_is_not_of_32_and_64_bits_at_once(cpu: BareCpu, way: str) -> None:
    """L and D are #GP of the selector (SDM 3A 6.15)."""
    cpu.write(GDT + 0x18, _descriptor(0, 0xFFFFF, 0x9B, 0xE))
    cpu.engine.write_registers({"gdtr_limit": 0x1F, "rbx": STACK - 0x80, "rsp": STACK - 0x100})
    cpu.write(STACK - 0x80, struct.pack("<QH", TARGET, 0x18))
    cpu.write(STACK - 0x100, _words(8, TARGET, 0x18, 2, STACK - 0x40, DATA64))
    code = {"jmp": b"\x48\xff\x2b", "call": b"\x48\xff\x1b", "retf": b"\x48\xcb", "iret": b"\x48\xcf"}[way]
    assert _step(cpu, code) == [(GP, 0x18, CODE)]
    assert cpu.engine.deliveries()[0].rsp == STACK - 0x100


def _legacy(cpu: BareCpu, **others: int) -> None:
    registers = {"cr0": 0x11, "cr4": 0, "efer": 0, "rflags": 2, "rip": CODE, "cs": 8, "gdtr_limit": 0x4F}
    registers |= {
        "cs_base": 0,
        "cs_limit": 0xFFFFFFFF,
        "cs_flags": FLAT_32,
        "ss_limit": 0xFFFFFFFF,
        "ss_flags": 0xCF9300,
    }
    cpu.engine.write_registers(registers | {"ss": 0x10, "ss_base": 0, "rsp": STACK - 0x100} | others)
    inner = (0, _descriptor(0, 0xFFFFF, 0x9B, 0xC), _descriptor(0, 0xFFFFF, 0x93, 0xC))
    for slot, one in enumerate(inner[1:], 1):
        cpu.write(GDT + 8 * slot, one)
    cpu.write(GDT + 0x20, _descriptor(0, 0xFFFFF, 0xF3, 0xC))


SHORT = 0x30
"""A code segment of LIMIT + 1 bytes."""
LIMIT = 0x7FF


@pytest.mark.parametrize("beyond", [0, 1, 0x5000])
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("mode", ["64 bits", "compatibility", "legacy"])
@pytest.mark.parametrize("way", ["jmp", "call"])
def test_far_jumps_and_calls_beyond_a_limit_fault_where_they_are(
    cpu: BareCpu, way: str, mode: str, size: int, beyond: int
) -> None:
    """#GP(0) (SDM 2A, CALL, JMP), with nothing pushed."""
    if size == 8 and mode != "64 bits":
        pytest.skip("there are no operands of 64 bits")
    if mode == "legacy":
        _legacy(cpu)
    elif mode == "compatibility":
        cpu.engine.write_registers({"cs_flags": FLAT_32})
    cpu.write(GDT + SHORT, _descriptor(0, LIMIT, 0x9B, 0x4))
    cpu.write(STACK - 0x80, (LIMIT + beyond).to_bytes(size, "little") + struct.pack("<H", SHORT))
    cpu.engine.write_registers({"gdtr_limit": 0x4F, "rbx": STACK - 0x80, "rsp": STACK - 0x100, "rflags": 0x8D7})
    prefix = {2: b"\x66", 4: b"", 8: b"\x48"}[size]
    found = _step(cpu, prefix + {"jmp": b"\xff\x2b", "call": b"\xff\x1b"}[way])
    assert found[:1] == ([(GP, 0, CODE)] if beyond else [])
    if beyond:
        assert cpu.engine.deliveries()[0].rsp == STACK - 0x100
        assert cpu.read(STACK - 0x108, 8) == 0 or cpu["rsp"] < STACK - 0x108
    else:
        assert (cpu["rip"], cpu["cs"]) == (LIMIT, SHORT)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("way", ["retf", "iret"])
@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("kept", [False, True], ids=["new", "in the TLB"])
def test_returns_beyond_the_limit_fault_where_they_are(
    cpu: BareCpu, way: str, size: int, ring: int, kept: bool
) -> None:
    for limit, eip in product((TARGET - 1, TARGET, 0xFFFF), (TARGET - 1, TARGET, TARGET + 1, 0xFFFF)):
        _legacy(cpu)
        cpu.write(GDT + 0x18, _descriptor(0, limit, 0x9B | ring << 5, 4))
        popped = (eip, 0x18 | ring, *((0x8D7,) if way == "iret" else ()), STACK - 0x40, 0x23)
        cpu.write(STACK - 0x100, _words(size, *popped))
        if kept:  # read by the guest first
            assert _step(cpu, assemble("mov eax, [esp]\nhlt", origin=CODE, bits=32)) == []
            cpu.engine.write_registers({"rip": CODE})
        code = (b"\x66" if size == 2 else b"") + {"retf": b"\xcb", "iret": b"\xcf"}[way]
        found = _step(cpu, code)
        assert found[:1] == ([(GP, 0, CODE)] if eip > limit else []), (hex(limit), hex(eip))
        if eip > limit:
            assert (cpu.engine.deliveries()[0].rsp, cpu.engine.deliveries()[0].cpl) == (STACK - 0x100, 0)
        else:
            assert (cpu["rip"], cpu["cs"]) == (eip, 0x18 | ring)


@pytest.mark.parametrize("eip", [0xFFFF, 0x10000, 0x12340100])
def test_a_return_to_virtual_8086_mode_has_an_offset_of_16_bits(cpu: BareCpu, eip: int) -> None:
    _legacy(cpu)
    cpu.write(STACK - 0x100, _words(4, eip, 0x700, 0x20002, 0x1000, 0x800, 1, 2, 3, 4))
    assert _step(cpu, b"\xcf")[:1] == ([(GP, 0, CODE)] if eip > 0xFFFF else [])


@pytest.mark.parametrize("way", ["retf", "retf 8", "iret", "iret to virtual-8086 mode"])
@pytest.mark.parametrize("room", range(0, 48, 4))
def test_what_a_return_to_an_outer_ring_pops_lies_within_the_limit(cpu: BareCpu, way: str, room: int) -> None:
    """#SS(0) where it does not (SDM 2A, IRET)."""
    _legacy(cpu, ss_limit=STACK - 0x100 + room - 1, ss_flags=0x409300)
    cpu.write(GDT + 0x18, _descriptor(0, 0xFFFFF, 0xFB, 0xC))
    virtual = way.endswith("mode")
    popped = {
        "retf": (TARGET, 0x1B, STACK - 0x40, 0x23),
        "retf 8": (TARGET, 0x1B, 0, 0, STACK - 0x40, 0x23),
        "iret": (TARGET, 0x1B, 2, STACK - 0x40, 0x23),
        "iret to virtual-8086 mode": (0x100, 0x700, 0x20002, 0x1000, 0x800, 1, 2, 3, 4),
    }[way]
    cpu.write(STACK - 0x100, _words(4, *popped))
    found = _step(cpu, {"retf": b"\xcb", "retf 8": b"\xca\x08\0"}.get(way, b"\xcf"))
    assert found[:1] == ([(SS, 0, CODE)] if room < 4 * len(popped) else [])
    if room >= 4 * len(popped):
        assert cpu["cs"] == (0x700 if virtual else 0x1B)


@pytest.mark.parametrize("l_bit", [False, True])
@pytest.mark.parametrize("task", [0x8300, 0x8100, 0x8B00, 0x8900])
@pytest.mark.parametrize("selector", [0, 0x28])
@pytest.mark.parametrize("lme", [False, True])
def test_ia_32e_mode_does_not_begin_in_64_bit_code_or_a_task_of_the_286(
    cpu: BareCpu, l_bit: bool, task: int, selector: int, lme: bool
) -> None:
    """#GP(0) (SDM 2B, MOV to control registers). With selector 0 none has been loaded: TR is as reset leaves it."""
    registers = {"cr4": 0x20, "efer": 0x100 if lme else 0, "rax": 0x80000011, "cr3": PDPT - 0x1000}
    registers |= {"tr": selector, "tr_flags": task}
    _legacy(cpu, cs_flags=FLAT_32 | (LONG_BIT if l_bit else 0), **registers)
    if not lme:
        cpu.write(0xB000, struct.pack("<4Q", PAGE_DIRECTORY | 1, 0, 0, 0))
        cpu.engine.write_registers({"cr3": 0xB000})
    refused = lme and (l_bit or (selector != 0 and task in (0x8300, 0x8100)))
    assert _step(cpu, b"\x0f\x22\xc0")[:1] == ([(GP, 0, CODE)] if refused else [])
    if not refused:
        assert bool(cpu["efer"] & 0x400) == lme
