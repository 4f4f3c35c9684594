"""NMIs wait from one to the next IRET, whether that faults or not (SDM 3A 6.7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import DeliveryKind
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA64, HANDLERS, IDT, STACK, WINDOW, BareCpu
from vmdbg.units import PAGE_SIZE

GP, SS, NP, PF, UD = 13, 12, 11, 14, 6
TASK_STATE = 11 * PAGE_SIZE
NOT_MAPPED = WINDOW + PAGE_SIZE
GOOD = (CODE + 0x100, CODE64, 2, STACK, DATA64)
VM, IOPL = 1 << 17, 0x3000


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    yield bare
    bare.close()


def _blocked(cpu: BareCpu, code: str, frame: tuple[int, ...] = GOOD, **registers: int) -> tuple[int | None, bool]:
    """The vector of what the code raises with NMIs blocked, and whether they are then."""
    at = STACK - 0x100
    cpu.write(at, struct.pack(f"<{len(frame)}Q", *frame))
    cpu.write(CODE + 0x100, b"\xf4")
    cpu.engine.write_registers({"rsp": at, "nmi_blocked": 1, **registers})
    cpu.run(assemble(code, origin=CODE))
    last = cpu.engine.deliveries()[-1:]
    return (last[0].vector if last else None), bool(cpu["nmi_blocked"])


@pytest.mark.parametrize(
    ("frame", "vector"),
    [
        ((CODE + 0x100, 0, 2, STACK, DATA64), GP),  # a null CS
        ((CODE + 0x100, 0x38, 2, STACK, DATA64), GP),  # beyond the GDT
        ((1 << 47, CODE64, 2, STACK, DATA64), GP),
        ((CODE + 0x100, CODE64 | 3, 2, STACK, DATA64 | 3), GP),
    ],
)
@pytest.mark.parametrize("prefix", ["", "db 2eh\n"])
def test_an_iret_that_faults_unblocks(cpu: BareCpu, frame: tuple[int, ...], vector: int, prefix: str) -> None:
    assert _blocked(cpu, f"{prefix}iretq", frame) == (vector, False)


@pytest.mark.parametrize(("stack", "vector"), [(NOT_MAPPED, PF), (1 << 47, SS)])
def test_so_does_one_whose_stack_faults(cpu: BareCpu, stack: int, vector: int) -> None:
    """Its handler has a stack of its own."""
    cpu.write(IDT + 16 * vector + 4, b"\1")
    cpu.write(TASK_STATE + 0x24, struct.pack("<Q", TASK_STATE + PAGE_SIZE))
    cpu.engine.write_registers({"tr": 0x18, "tr_base": TASK_STATE, "tr_limit": 0x67})
    assert _blocked(cpu, "iretq", rsp=stack) == (vector, False)


def test_one_that_goes_through_unblocks(cpu: BareCpu) -> None:
    assert _blocked(cpu, "iretq") == (None, False)


@pytest.mark.parametrize(
    ("code", "vector"),
    [
        ("retf", GP),
        ("mov rax, [rsp - 8 + 0x1000000]", PF),
        ("db 0f0h, 0cfh", UD),  # LOCK: no IRET
        ("mov ds, eax", GP),
        ("nop", None),
    ],
)
def test_what_is_no_iret_does_not(cpu: BareCpu, code: str, vector: int | None) -> None:
    assert _blocked(cpu, code, (1 << 47, 0, 0), rax=0x48) == (vector, True)


def test_one_that_is_not_fetched_does_not(cpu: BareCpu) -> None:
    """Its prefix ends a page that nothing comes behind: the bytes are there, but the page may not be executed."""
    assert _blocked(cpu, f"mov rax, {NOT_MAPPED}\njmp rax") == (PF, True)


def test_one_before_which_a_delivery_faults_does_not(cpu: BareCpu) -> None:
    """The interrupt's gate is not present, and what would have run next is an IRET."""
    cpu.write(IDT + 16 * 2 + 5, b"\x0e")
    cpu.engine.cpus[0].raise_nmi()
    cpu.load(assemble("iretq", origin=CODE))
    cpu.engine.step()
    kinds = [(one.kind, one.vector) for one in cpu.engine.deliveries()]
    assert (kinds[0], kinds[-1][1]) == ((DeliveryKind.NMI, 2), NP)
    assert cpu["nmi_blocked"] == 1


def test_in_virtual_8086_mode_one_that_may_not_be_executed_unblocks() -> None:
    """With IOPL less than 3 it is #GP, as the SDM's own example has it."""
    cpu = BareCpu("i686")
    cpu.write(0, bytes(CODE))
    gates = (struct.pack("<HHHH", HANDLERS + v, 8, 0x8E00, 0) for v in range(32))
    cpu.write(IDT, b"".join(gates))
    cpu.write(0x6000, struct.pack("<4Q", 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0))
    task = bytearray(0x68)
    struct.pack_into("<II", task, 4, STACK, 16)
    cpu.write(0x9000, bytes(task))
    values = {"cr0": 0x11, "cr4": 0, "efer": 0, "rflags": VM | 2, "rip": 0, "rsp": 0x100, "nmi_blocked": 1}
    values |= dict.fromkeys(("cs", "ds", "es", "ss", "fs", "gs"), CODE >> 4)
    values |= {f"{name}_base": CODE for name in ("cs", "ds", "es", "ss", "fs", "gs")}
    values |= {f"{name}_limit": 0xFFFF for name in ("cs", "ds", "es", "ss", "fs", "gs")}
    values |= {f"{name}_flags": 0xF300 for name in ("ds", "es", "ss", "fs", "gs")} | {"cs_flags": 0xF300}
    values |= {"gdtr_base": 0x6000, "gdtr_limit": 0x17, "idtr_base": IDT, "idtr_limit": 0xFF}
    values |= {"tr": 0x18, "tr_base": 0x9000, "tr_limit": 0x67, "tr_flags": 0x8B00}
    cpu.engine.write_registers(values)
    cpu.write(CODE, b"\xcf")
    cpu.engine.step()
    assert (cpu.engine.deliveries()[-1].vector, cpu["nmi_blocked"]) == (GP, 0)
    cpu.close()
