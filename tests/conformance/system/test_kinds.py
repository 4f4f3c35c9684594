"""Kinds of faults that the comparison found, each by itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance.system.case import Case, Instruction
from tests.conformance.system.cpus import EngineCpu
from tests.conformance.system.draw import PAT, plain
from tests.conformance.system.layout import CS32, CS64, HANDLERS_32, HANDLERS_64, LONG_TABLES, PAE_POINTERS, SYSTEM
from tests.conformance.system.world import (
    CODE,
    CODE16_SLOT,
    CODE32_SLOT,
    DATA_SLOT,
    GDT,
    IDT,
    LANDINGS,
    MAIN_TSS,
    OPERANDS,
    TASK16_SLOT,
    TASK_SLOT,
    TSS,
    TSS_16,
    TSS_OTHER,
    Gate,
    Mode,
)

UD, GP = 6, 13
UMIP, TO_16, TO_32 = 0x800, 8 * TASK16_SLOT, 8 * TASK_SLOT
GENERAL = {
    "rax": 0x11112222,
    "rcx": 0x33334444,
    "rdx": 0x55556666,
    "rbx": 0x77778888,
    "rbp": 0x9999AAAA,
    "rsi": 0xBBBBCCCC,
    "rdi": 0xDDDDEEEE,
}


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineCpu]:
    cpu = EngineCpu()
    yield cpu
    cpu.close()


def _run(engine: EngineCpu, case: Case) -> dict[str, int]:
    return engine.run([case])[0].fields()


def _memory(found: dict[str, int], at: int, size: int) -> bytes:
    begin = at & ~3
    words = b"".join(found[f"[{word:#x}]"].to_bytes(4, "little") for word in range(begin, at + size + 3 & ~3, 4))
    return words[at - begin : at - begin + size]


def _far(opcode: int, selector: int) -> bytes:
    return bytes([opcode]) + struct.pack("<IH", 0, selector)


WAYS = {"a jump": (_far(0xEA, TO_16), 2), "a call": (_far(0x9A, TO_16), 0x4002), "an interrupt": (b"\xcd\x28", 0x4002)}


@pytest.mark.parametrize("way", WAYS)
def test_a_32_bit_task_goes_to_a_16_bit_one(engine: EngineCpu, way: str) -> None:
    """All of its own state is kept, and all of the other's comes (SDM 3A 8.2.1, 8.6)."""
    code, flags = WAYS[way]
    case = plain(Mode.PROTECTED_32, Instruction(way, code))
    case = replace(case, registers=case.registers | GENERAL, memory={IDT + 8 * 0x28: Gate(TO_16, 0, 5, 3).pack()})
    found = _run(engine, case)
    assert (found["vector"], found["rip"], found["cs"], found["tr"]) == (
        UD,
        LANDINGS[0] - SYSTEM,
        8 * CODE16_SLOT,
        TO_16,
    )
    assert (found["ss"], found["ds"], found["es"], found["ldtr"]) == (*(3 * (8 * (CODE16_SLOT + 1),)), 0x30)
    assert [found[name] & 0xFFFF for name in ("rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi")] == [1, 2, 3, 4, 5, 6, 7]
    assert found["rflags"] & 0xFFFF == flags
    saved = struct.unpack("<16I", _memory(found, TSS + 0x20, 0x40))
    data = 8 * DATA_SLOT
    general = [
        GENERAL.get(name, case.registers["rsp"]) for name in ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
    ]
    assert saved == (CODE + len(code), 2, *general, data, 8 * CODE32_SLOT, data, data, data, data)
    assert _memory(found, TSS + 0x60, 2) == b"\x30\x00", "the LDT is no part of what is saved"
    back = struct.unpack("<H", _memory(found, TSS_16, 2))[0]
    assert back == (MAIN_TSS if flags & 0x4000 else 0)


def test_a_16_bit_task_goes_to_a_32_bit_one(engine: EngineCpu) -> None:
    case = plain(Mode.PROTECTED_32, Instruction("jmp far", _far(0xEA, TO_16)))
    there = b"\xb9\x34\x12" + b"\xea" + struct.pack("<2H", 0, TO_32)
    found = _run(
        engine,
        replace(
            case, memory={LANDINGS[0]: there.ljust(12, b"\xcc"), TSS_OTHER + 0x20: LANDINGS[3].to_bytes(4, "little")}
        ),
    )
    assert (found["vector"], found["rip"], found["cs"], found["tr"]) == (
        UD,
        LANDINGS[3] + 1,
        8 * (CODE32_SLOT + 3) | 3,
        TO_32,
    )
    saved = struct.unpack("<14H", _memory(found, TSS_16 + 0xE, 28))
    stack = 8 * (CODE16_SLOT + 1)
    assert saved == (
        LANDINGS[0] - SYSTEM + len(there),
        2,
        1,
        0x1234,
        3,
        4,
        0xC80,
        5,
        6,
        7,
        stack,
        8 * CODE16_SLOT,
        stack,
        stack,
    )
    assert _memory(found, TSS_16 + 0x2A, 2) == b"\x30\x00"


def test_a_16_bit_task_goes_to_another(engine: EngineCpu) -> None:
    """By way of a second descriptor of 16 bits, whose state lies where the 32-bit one does."""
    case = plain(Mode.PROTECTED_32, Instruction("jmp far", _far(0xEA, TO_16)))
    there = b"\xea" + struct.pack("<2H", 0, TO_32)
    descriptor = struct.pack("<HHBBBB", 0x2B, TSS_OTHER & 0xFFFF, TSS_OTHER >> 16, 0x81, 0, 0)
    stack, code = 8 * (CODE16_SLOT + 1), 8 * CODE16_SLOT
    state = struct.pack(
        "<22H", 0, 0, 0, 0, 0, 0, 0, LANDINGS[3] - SYSTEM, 2, 8, 9, 10, 11, 0xC00, 12, 13, 14, stack, code, stack, 0, 0
    )
    memory = {LANDINGS[0]: there.ljust(8, b"\xcc"), GDT + TO_32: descriptor, TSS_OTHER: state}
    found = _run(engine, replace(case, memory=memory))
    assert (found["vector"], found["rip"], found["cs"], found["ds"], found["ldtr"]) == (
        UD,
        LANDINGS[3] + 1 - SYSTEM,
        code,
        0,
        0,
    )
    assert [found[name] & 0xFFFF for name in ("rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi")] == list(range(8, 15))
    assert struct.unpack("<14H", _memory(found, TSS_16 + 0xE, 28))[10:] == (stack, code, stack, stack)


@pytest.mark.parametrize("modrm", [0xC1, 0xC9, 0x07, 0x0F], ids=["sldt cx", "str cx", "sldt [bx]", "str [bx]"])
@pytest.mark.parametrize("control", [0, UMIP])
@pytest.mark.parametrize("rbx", [0x400, 0xFFFF], ids=["within", "across the end"])
def test_in_virtual_8086_mode_sldt_and_str_are_no_instructions(
    engine: EngineCpu, modrm: int, control: int, rbx: int
) -> None:
    """Before UMIP and limits are looked at (SDM 2B, SLDT, STR)."""
    case = plain(Mode.VIRTUAL, Instruction("sldt", bytes([0x0F, 0x00, modrm])))
    assert _run(engine, replace(case, registers=case.registers | {"cr4": control, "rbx": rbx}))["vector"] == UD


def test_sysexit_to_compatibility_mode_takes_lower_halves(engine: EngineCpu) -> None:
    case = plain(Mode.LONG, Instruction("sysexit", b"\x0f\x35"))
    there = {"rdx": 0x1234_0000_0000 | LANDINGS[0], "rcx": 0x8000_0000_0001_1E00, "sysenter_cs": 0x80}
    found = _run(engine, replace(case, registers=case.registers | there))
    assert (found["vector"], found["rip"], found["rsp"], found["cs"]) == (UD, LANDINGS[0], 0x11E00, 0x93)
    assert (found["rdx"], found["rcx"]) == (there["rdx"], there["rcx"])


@pytest.mark.parametrize(
    ("code", "vector"), [(b"\xcc", 3), (b"\xce", 4), (b"\xcd\x28", 0x28)], ids=["int3", "into", "int"]
)
@pytest.mark.parametrize("dpl", range(4))
@pytest.mark.parametrize("kind", [5, 0xE], ids=["task", "interrupt"])
def test_interrupts_of_a_program_are_held_to_the_gate_s_dpl(
    engine: EngineCpu, code: bytes, vector: int, dpl: int, kind: int
) -> None:
    case = plain(Mode.VIRTUAL, Instruction("int", code))
    gate = Gate(TO_32 if kind == 5 else 8, LANDINGS[0], kind, dpl).pack()
    overflow = case.registers["rflags"] | 0x800
    found = _run(
        engine, replace(case, registers=case.registers | {"rflags": overflow}, memory={IDT + 8 * vector: gate})
    )
    if dpl < 3:
        assert (found["vector"], found["error code"], found["rip"]) == (GP, 8 * vector + 2, 0)
    else:
        assert (found["vector"], found["rip"]) == (UD, LANDINGS[0])


INT1_MODES = [Mode.VIRTUAL, Mode.PROTECTED_32, Mode.COMPATIBILITY, Mode.LONG]


@pytest.mark.parametrize("mode", INT1_MODES, ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("dpl", [0, 3])
@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize(
    "prefixes", [b"", b"\x66", b"\xf3\x67", b"\x2e" * 14], ids=["plain", "66", "F3 67", "14 of 2E"]
)
def test_int1_is_a_trap_that_no_dpl_forbids(
    engine: EngineCpu, mode: Mode, dpl: int, present: bool, prefixes: bytes
) -> None:
    """Where its delivery faults it is an event that no program asks for: EXT (SDM 2A, INT n; 3A 6.13)."""
    case = plain(mode, Instruction("nop", b"\x90"), Instruction("int1", prefixes + b"\xf1"))
    if mode.is_long:
        gate = Gate(CS64, HANDLERS_64 + 16, 0xE, dpl, present).pack_long()
    else:
        gate = Gate(CS32, HANDLERS_32 + 16, 0xE, dpl, present).pack()
    found = _run(engine, replace(case, memory={IDT + len(gate): gate}))
    start = CODE - mode.base
    if present:
        assert (found["vector"], found["rip"] - start, found["dr6"]) == (1, 2 + len(prefixes), 0xFFFF0FF0)
    else:
        assert (found["vector"], found["error code"], found["rip"] - start) == (11, 8 + 2 + 1, 1)


@pytest.mark.parametrize("mode", INT1_MODES, ids=lambda mode: mode.name.lower())
def test_int1_is_not_to_be_locked(engine: EngineCpu, mode: Mode) -> None:
    found = _run(engine, plain(mode, Instruction("lock int1", b"\xf0\xf1")))
    assert (found["vector"], found["rip"]) == (UD, CODE - mode.base)


@pytest.mark.parametrize("bit", [1, 2, 5, 6, 7, 8, 50, 63])
@pytest.mark.parametrize("way", ["mov cr0", "mov cr3"])
@pytest.mark.parametrize("present", [True, False])
def test_pointers_of_pae_paging_with_a_reserved_bit_are_refused(
    engine: EngineCpu, bit: int, way: str, present: bool
) -> None:
    """When they are loaded, those that are present alone (SDM 3A 4.4.1). This is the last of the four."""
    value, number = (0x80000011, 0) if way == "mov cr0" else (OPERANDS, 3)
    move = b"\xb8" + struct.pack("<I", value) + bytes([0x0F, 0x22, 0xC0 | number << 3])
    case = plain(Mode.PROTECTED_32, Instruction(way, move))
    before = {"cr0": 0x11, "cr3": OPERANDS} if way == "mov cr0" else {"cr3": PAE_POINTERS}
    pointers = struct.pack("<4Q", LONG_TABLES + 0x2000 | 1, 0, 0, present | 1 << bit)
    registers = case.registers | {"cr4": 0x20, "efer": 0x800} | before
    found = _run(engine, replace(case, registers=registers, memory={OPERANDS: pointers}))
    assert (found["vector"], found["rip"]) == ((GP, CODE + 5) if present else (UD, CODE + 8))


def test_memory_types_that_are_reserved_do_not_come_into_the_page_attribute_table(engine: EngineCpu) -> None:
    """Any byte at any of the eight places, the others being those of reset (SDM 3A 12.12.4)."""
    values = [PAT & ~(0xFF << 8 * place) | byte << 8 * place for place in range(8) for byte in range(256)]
    load = Instruction("load", b"\x8b\x03\x8b\x53\x04\xb9\x77\x02\x00\x00")
    wrmsr = Instruction("wrmsr", b"\x0f\x30")
    case = plain(Mode.PROTECTED_32, load, wrmsr)
    case = replace(case, registers=case.registers | {"rbx": OPERANDS, "pat": PAT})
    for start in range(0, len(values), 256):
        some = values[start : start + 256]
        cases = [replace(case, memory={OPERANDS: value.to_bytes(8, "little")}) for value in some]
        for value, result in zip(some, engine.run(cases), strict=True):
            found, is_good = result.fields(), set(value.to_bytes(8, "little")) <= {0, 1, 4, 5, 6, 7}
            assert (found["vector"], found["pat"]) == ((UD, value) if is_good else (GP, PAT)), f"{value:#x}"
