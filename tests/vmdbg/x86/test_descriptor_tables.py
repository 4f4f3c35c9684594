from __future__ import annotations

import struct

import pytest

from vmdbg.x86.descriptor_tables import DescriptorTables, ReadPrefix, Table, read_table, task_problems
from vmdbg.x86.descriptors import Gate, Segment, Selector, SystemType, UnusedDescriptor
from vmdbg.x86.interrupt_tables import IdtEntry, idt_problems, read_idt, read_ivt
from vmdbg.x86.task_state import TaskState, TaskWidth, decode_task_state, port_allowed

CODE64 = Segment(0, 0xFFFF_FFFF, 0x00A0_9B00)
CODE32 = Segment(0, 0xFFFF_FFFF, 0x00C0_9B00)
DATA = Segment(0, 0xFFFF_FFFF, 0x00C0_9300)
TSS64 = Segment(0xFFFF_FE00_0000_3000, 0x206F, 0x8B00)


def reader(memory: bytes, at: int = 0) -> ReadPrefix:
    return lambda address, size: memory[address - at : address - at + size]


def gdt(*descriptors: bytes, long: bool = True) -> Table:
    raw = bytes(8) + b"".join(descriptors)
    return read_table(reader(raw, 0x1000), 0x1000, len(raw) - 1, long=long)


def idt(*gates: Gate, long: bool = True, tables: DescriptorTables | None = None) -> list[IdtEntry]:
    tables = tables or DescriptorTables(gdt(CODE64.encode(), DATA.encode(), CODE32.encode(), TSS64.encode_long()))
    raw = b"".join(gate.encode(long) for gate in gates)
    return list(read_idt(reader(raw), 0, len(raw) - 1, tables, long=long))


def gate(selector: int = 8, offset: int = 0x1000, kind: SystemType = SystemType.INTERRUPT_GATE, ist: int = 0) -> Gate:
    return Gate(kind, Selector(selector), offset, 0, True, ist=ist)


def test_gdt_with_a_16_byte_tss_counts_slots() -> None:
    table = gdt(CODE64.encode(), TSS64.encode_long(), DATA.encode())
    assert [entry.selector for entry in table.entries] == [0, 8, 16, 32]
    assert table.find(Selector(0x13)) == TSS64
    assert table.find(Selector(0x18)) is None
    assert table.find(Selector(0x20)) == DATA
    assert not any(entry.problems for entry in table.entries)


def test_same_bytes_are_other_descriptors_outside_long_mode() -> None:
    assert [e.selector for e in gdt(CODE32.encode(), DATA.encode(), long=False).entries] == [0, 8, 16]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (Segment(0, 0xFFFF_FFFF, 0x00E0_9B00).encode(), "L and D"),
        (Segment(0, 0x50, 0x8900).encode_long(), "too small for a TSS"),
        (Segment(1 << 50, 0x67, 0x8900).encode_long(), "not canonical"),
        (TSS64.encode_long()[:13] + b"\x05" + bytes(2), "second half"),
        (Segment(0, 0, 0x8D00).encode(), "reserved type"),
        (Segment(0, 0x67, 0x8900).encode(), "past the limit"),
    ],
)
def test_bad_descriptors_are_explained(raw: bytes, problem: str) -> None:
    (_, entry) = gdt(raw).entries
    assert problem in entry.problems[0]


def test_unreadable_and_ragged_tables_say_so() -> None:
    table = read_table(reader(bytes(16)), 0, 26, long=True)
    assert table.problems == ("only 16 of 27 bytes can be read", "the limit 0x1a ends inside an entry")
    assert read_table(reader(b""), 0, 0xFFFF, long=False).entries == ()


def test_local_selectors_have_the_table_bit() -> None:
    raw = CODE32.encode() + DATA.encode()
    ldt = read_table(reader(raw), 0, 15, long=False, is_local=True)
    assert [entry.selector for entry in ldt.entries] == [4, 12]
    tables = DescriptorTables(gdt(long=False), ldt)
    assert tables.find(Selector(0xF)) == DATA
    assert DescriptorTables(gdt(long=False)).find(Selector(0xF)) is None


def test_good_gate_has_no_problem_and_knows_its_segment() -> None:
    (entry,) = idt(gate())
    assert entry.problems == ()
    assert entry.target == CODE64


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (gate(selector=0), "the selector is null"),
        (gate(selector=0x10), "no code segment but 32-bit data"),
        (gate(selector=0x18), "no 64-bit code segment"),
        (gate(selector=0x800), "names no descriptor"),
        (gate(selector=0xC), "names no descriptor"),
        (gate(offset=1 << 60), "not canonical"),
        (gate(kind=SystemType.CALL_GATE), "call gate cannot"),
    ],
)
def test_bad_gates_are_explained(bad: Gate, problem: str) -> None:
    (entry,) = idt(bad)
    assert problem in entry.problems[0]


def test_gate_that_is_not_present_is_not_checked() -> None:
    absent = Gate(SystemType.INTERRUPT_GATE, Selector(0), 1 << 60, 0, False)
    assert idt(absent)[0].problems == ()


def test_ist_must_be_a_stack() -> None:
    task = TaskState(TaskWidth.BITS64, ((None, 0),) * 3, ist=(0, 0xFFFF_8000_0000_1000, 1 << 60, 0, 0, 0, 0))
    tables = DescriptorTables(gdt(CODE64.encode()), task=task)
    problems = [entry.problems for entry in idt(gate(ist=1), gate(ist=2), gate(ist=3), tables=tables)]
    assert "IST1 of the TSS is 0x0" in problems[0][0]
    assert problems[1] == ()
    assert "IST3" in problems[2][0]


def test_protected_mode_gate_checks_limit_and_task_gate_needs_a_tss() -> None:
    small = Segment(0, 0xFFF, 0x0040_9B00)
    tss = Segment(0x5000, 0x67, 0x8900)
    tables = DescriptorTables(gdt(small.encode(), tss.encode(), long=False))
    task_to_tss, task_to_code = (gate(s, 0, SystemType.TASK_GATE) for s in (0x10, 8))
    entries = idt(gate(), task_to_tss, task_to_code, long=False, tables=tables)
    assert "beyond the limit 0xfff" in entries[0].problems[0]
    assert entries[1].problems == ()
    assert "does not name a TSS" in entries[2].problems[0]


def test_idt_as_a_whole() -> None:
    entries = idt(*[gate()] * 14)
    problems = idt_problems(0, 14 * 16 - 1, entries, long=True)
    assert problems == ("the limit 0xdf holds only vectors 0 to 13",)
    entries[6] = IdtEntry(6, bytes(16), UnusedDescriptor(bytes(16)))
    assert "no gate for #UD" in idt_problems(0, 14 * 16 - 1, entries, long=True)
    assert idt_problems(0, 0xFFF, entries, long=True)[0] == "only 14 of 256 gates can be read at linear 0x0"


def test_ivt_is_offset_then_segment() -> None:
    raw = struct.pack("<HHHH", 0x1234, 0xF000, 0xE987, 0xF000)
    vectors = read_ivt(reader(raw))
    assert [(v.vector, v.segment, v.offset, v.linear) for v in vectors] == [
        (0, 0xF000, 0x1234, 0xF1234),
        (1, 0xF000, 0xE987, 0xFE987),
    ]


def test_task_state_of_64_bits() -> None:
    stacks, ist = [0x1111 * n for n in range(1, 4)], [0x100 * n for n in range(1, 8)]
    raw = bytes(4) + struct.pack("<3Q", *stacks) + bytes(8) + struct.pack("<7Q", *ist) + bytes(10) + b"\x68\0"
    task = decode_task_state(raw, TaskWidth.BITS64)
    assert [pointer for _, pointer in task.stacks] == stacks
    assert list(task.ist) == ist
    assert task.io_map_base == 0x68
    assert task_problems(task, Segment(0, 0x67, 0x8B00)) == ()


def test_task_state_of_32_bits() -> None:
    words = list(range(0x1000, 0x1000 + 26))
    task = decode_task_state(struct.pack("<26I", *words), TaskWidth.BITS32)
    registers = dict(task.registers)
    assert task.stacks == ((words[2], words[1]), (words[4], words[3]), (words[6], words[5]))
    assert (registers["cr3"], registers["eip"], registers["edi"]) == (words[7], words[8], words[17])
    assert (registers["es"], registers["gs"], registers["ldtr"]) == (words[18], words[23], words[24])


def test_task_state_of_16_bits() -> None:
    words = list(range(0x100, 0x100 + 22))
    task = decode_task_state(struct.pack("<22H", *words), TaskWidth.BITS16)
    assert task.stacks[0] == (words[2], words[1])
    assert task.registers[0] == ("ip", words[7])
    assert task.registers[-1] == ("ldtr", words[21])


def test_short_task_state_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 104 bytes, here are 44"):
        decode_task_state(bytes(44), TaskWidth.BITS64)


def test_task_problems() -> None:
    task = TaskState(TaskWidth.BITS64, ((None, 1 << 60), (None, 0), (None, 0)), (0,) * 7, io_map_base=0x10)
    problems = task_problems(task, Segment(0, 0x2000, 0x8B00))
    assert problems == (
        "RSP0 0x1000000000000000 is not canonical",
        "the I/O bitmap at 0x10 overlaps the TSS itself",
    )


def test_io_bitmap_needs_every_byte_of_the_access() -> None:
    bitmap = bytes([0b1111_0011, 0xFF])
    assert port_allowed(bitmap, 2, 2)
    assert not port_allowed(bitmap, 3, 2)
    assert not port_allowed(bitmap, 16, 1)
