"""A CPU in 64-bit mode with nothing around it: what calibration, tests and benchmarks run their few instructions on.

16 pages of RAM, each mapped to itself by a 4 KiB entry, and page 15's linear address to page 10; above RAM the bus.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmdbg.engine.exits import Exit
from vmdbg.engine.interrupts import Rescheduled
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.engine.unicorn.registers import GENERAL
from vmdbg.units import PAGE_SIZE, Physical, Tick
from vmdbg.x86.cpu_models import CpuModel, find_model
from vmdbg.x86.cpuid import build_table

PAGES = 16
PML4, PDPT, PAGE_DIRECTORY, PAGE_TABLE, IDT, GDT, CODE, HANDLERS = (page * PAGE_SIZE for page in range(1, 9))
STACK = 10 * PAGE_SIZE
"""Its top: the stack is page 9."""
DATA = 10 * PAGE_SIZE
ALIAS = 15 * PAGE_SIZE
WINDOW = PAGES * PAGE_SIZE
"""The first address that the bus answers."""
PRESENT, WRITABLE, USER = 1, 2, 4
CODE64, DATA64 = 0x8, 0x10
_CODE_FLAGS, _DATA_FLAGS, _TSS_FLAGS = 0xAF9B00, 0xCF9300, 0x8B00
_HLT = b"\xf4"
PATIENCE = 100_000


@dataclass(frozen=True, slots=True)
class BusAccess:
    kind: str
    address: int
    size: int
    value: int
    now: int


class LoggingBus:
    """Answers every read with the low bits of 0x1122334455667788 and keeps what was asked."""

    def __init__(self) -> None:
        self.log: list[BusAccess] = []

    def _read(self, kind: str, address: int, size: int, now: int) -> int:
        value = 0x1122334455667788 & ((1 << 8 * size) - 1)
        self.log.append(BusAccess(kind, address, size, value, now))
        return value

    def port_read(self, port: int, size: int, now: int) -> int:
        return self._read("in", port, size, now)

    def port_write(self, port: int, size: int, value: int, now: int) -> None:
        self.log.append(BusAccess("out", port, size, value, now))

    def memory_read(self, address: int, size: int, now: int) -> int:
        return self._read("read", address, size, now)

    def memory_write(self, address: int, size: int, value: int, now: int) -> None:
        self.log.append(BusAccess("write", address, size, value, now))

    def acknowledge(self, now: int) -> int:
        return self._read("acknowledge", 0, 1, now) & 0x3F

    def read_task_priority(self, now: int) -> int:
        return self._read("tpr", 0, 1, now) & 15

    def read_msr(self, msr: int, now: int) -> int | None:
        return self._read("rdmsr", msr, 8, now)

    def write_msr(self, msr: int, value: int, now: int) -> bool:
        self.log.append(BusAccess("wrmsr", msr, 8, value, now))
        return True

    def coprocessor_error(self, cpu: int, now: int) -> None:
        self.log.append(BusAccess("ferr", cpu, 0, 0, now))

    def interrupts_moved(self, cpu: int, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None:
        pass

    def write_task_priority(self, value: int, now: int) -> None:
        self.log.append(BusAccess("set tpr", 0, 1, value, now))


class BareCpu:
    """Runs code at CODE in ring 0. Every vector's handler is an HLT at HANDLERS + vector."""

    def __init__(self, cpu: str | CpuModel = "base", pages: int = PAGES) -> None:
        """`pages` of RAM; of those beyond PAGES none is mapped."""
        self.bus = LoggingBus()
        model = find_model(cpu) if isinstance(cpu, str) else cpu
        self.engine = UnicornEngine(pages * PAGE_SIZE, self.bus, [build_table(model)])
        self._tables()
        self.reset()

    def _tables(self) -> None:
        flags = PRESENT | WRITABLE | USER
        for table, below in ((PML4, PDPT), (PDPT, PAGE_DIRECTORY), (PAGE_DIRECTORY, PAGE_TABLE)):
            self.write(table, struct.pack("<Q", below | flags))
        frames = [*range(PAGES - 1), DATA // PAGE_SIZE, PAGES]
        self.write(PAGE_TABLE, b"".join(struct.pack("<Q", page * PAGE_SIZE | flags) for page in frames))
        self.write(GDT, struct.pack("<3Q", 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF))
        gates = (struct.pack("<HHHHQ", HANDLERS + v & 0xFFFF, CODE64, 0x8E00, 0, 0) for v in range(256))
        self.write(IDT, b"".join(gates))
        self.write(HANDLERS, _HLT * 256)

    def reset(self) -> None:
        """Registers as at the start; RAM, clock and TLB stay."""
        values = dict.fromkeys(GENERAL, 0) | {"dr6": 0xFFFF0FF0, "dr7": 0x400}
        values |= {"rip": CODE, "rsp": STACK, "rflags": 2, "cr0": 0x80010033, "cr3": PML4, "cr4": 0x620, "efer": 0xD01}
        values |= {"gdtr_base": GDT, "gdtr_limit": 0x17, "idtr_base": IDT, "idtr_limit": 0xFFF}
        values |= {"cs": CODE64, "cs_limit": 0xFFFFFFFF, "cs_flags": _CODE_FLAGS, "tr_flags": _TSS_FLAGS}
        for name in ("ss", "ds", "es"):
            values |= {name: DATA64, f"{name}_limit": 0xFFFFFFFF, f"{name}_flags": _DATA_FLAGS}
        self.engine.write_registers(values)

    def write(self, address: int, data: bytes) -> None:
        self.engine.write_ram(Physical(address), data)

    def read(self, address: int, size: int) -> int:
        return int.from_bytes(self.engine.ram[address : address + size], "little")

    def __getitem__(self, register: str) -> int:
        return self.engine.read_register(register)

    def load(self, code: bytes) -> None:
        """Place code with an HLT behind it, and go to its start."""
        self.write(CODE, code + _HLT)
        self.engine.write_register("rip", CODE)

    def run(self, code: bytes) -> Exit:
        """Run code to the HLT behind it, or wherever else it ends."""
        self.load(code)
        return self.engine.run(Tick(self.engine.clock + PATIENCE))

    def close(self) -> None:
        self.engine.close()
