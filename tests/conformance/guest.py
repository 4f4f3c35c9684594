"""The harness in ring 3 of a guest that has just what it needs, and the engine's CPU in it."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from tests.conformance.batch import Batch, results
from tests.conformance.host import harness
from tests.conformance.layout import (
    ACROSS,
    AT_END,
    BATCH,
    BATCH_SIZE,
    CODE_64,
    CONTROL,
    DATA_32,
    GUEST_END,
    HALT,
    HANDLERS,
    HARNESS,
    LOW_BATCH,
    RESULTS,
    RESULTS_SIZE,
    SCRATCH_TOP,
    STATE_SIZE,
    State,
)
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import LoggingBus
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.engine.unicorn.registers import GENERAL
from vmdbg.units import PAGE_SIZE, Physical, Tick
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

LARGE = 0x200000
SYSTEM = 0xFFFF800000000000
"""Where ring 0 has the first large page of RAM."""
PML4, USER_PDPT, SYSTEM_PDPT, FIRST_GIB, HARNESS_GIB, SYSTEM_PD, DATA_PT, DATA = (
    page * PAGE_SIZE for page in (1, 2, 3, 4, 5, 6, 7, 8)
)
GDT, IDT, TSS, RING0_STACK = 0x10000, 0x11000, 0x12000, 0x20000
PRESENT, WRITABLE, USER, PAGE = 1, 2, 4, 0x80
ALL = PRESENT | WRITABLE | USER
CODE0, TR = 0x8, 0x38
OSXSAVE = 1 << 18
PATIENCE = 1 << 40


@dataclass(frozen=True, slots=True)
class Piece:
    """Large pages of RAM from `frame` on, at a linear address of the harness."""

    linear: int
    frame: int
    size: int


PIECES = (
    Piece(HARNESS, 0x200000, LARGE),
    Piece(CONTROL, 0x400000, LARGE),
    Piece(RESULTS, 0x600000 + BATCH_SIZE, RESULTS_SIZE),
)
BATCH_PIECE, LOW_PIECE = Piece(BATCH, 0x600000, BATCH_SIZE), Piece(LOW_BATCH, 0x600000, BATCH_SIZE)
RAM = 0x600000 + BATCH_SIZE + RESULTS_SIZE


class Guest(ABC):
    """The memory and the registers that the harness begins with in ring 3, whatever executes it."""

    def __init__(self, *, avx: bool, bits: int) -> None:
        self._pieces = (*PIECES, BATCH_PIECE if bits == 64 else LOW_PIECE)
        self._batch = self._pieces[-1]
        self._avx = avx
        self._write(HARNESS, harness(avx=avx, bits=bits))
        self._tables()
        self._descriptors()

    @abstractmethod
    def _poke(self, physical: int, data: bytes) -> None: ...

    @abstractmethod
    def _peek(self, physical: int, size: int) -> bytes: ...

    @abstractmethod
    def run(self, batch: Batch) -> list[State]: ...

    def _write(self, linear: int, data: bytes) -> None:
        self._poke(self._frame(linear), data)

    def _entry(self, table: int, index: int, value: int) -> None:
        self._poke(table + 8 * index, struct.pack("<Q", value))

    def _tables(self) -> None:
        self._entry(PML4, 0, USER_PDPT | ALL)
        self._entry(PML4, 256, SYSTEM_PDPT | PRESENT | WRITABLE)
        self._entry(USER_PDPT, 0, FIRST_GIB | ALL)
        self._entry(USER_PDPT, HARNESS >> 30, HARNESS_GIB | ALL)
        self._entry(SYSTEM_PDPT, 0, SYSTEM_PD | PRESENT | WRITABLE)
        self._entry(SYSTEM_PD, 0, PRESENT | WRITABLE | PAGE)
        self._entry(FIRST_GIB, (ACROSS >> 21) & 511, DATA_PT | ALL)
        for number, page in enumerate((ACROSS >> 12, (ACROSS >> 12) + 1, AT_END >> 12)):
            self._entry(DATA_PT, page & 511, DATA + number * PAGE_SIZE | ALL)
        for piece in self._pieces:
            low = piece is LOW_PIECE
            table, flags = (FIRST_GIB, PRESENT | USER) if low else (HARNESS_GIB, ALL)
            for offset in range(0, piece.size, LARGE):
                self._entry(table, (piece.linear + offset) >> 21 & 511, piece.frame + offset | flags | PAGE)

    def _descriptors(self) -> None:
        tss = SYSTEM + TSS
        low = 0x67 | (tss & 0xFFFFFF) << 16 | 0x8B << 40 | (tss >> 24 & 0xFF) << 56
        gdt = (0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF, 0x00AFFB000000FFFF)
        self._poke(GDT, struct.pack("<9Q", *gdt, low, tss >> 32))
        self._poke(TSS + 36, struct.pack("<Q", SYSTEM + RING0_STACK))
        self._poke(TSS + 102, struct.pack("<H", 0x68))  # no port is ring 3's
        gates = [_gate(HANDLERS + 16 * vector, ist=1) for vector in range(32)]
        gates += [bytes(16)] * (0x80 - 32) + [_gate(HALT, ist=1, dpl=3)]
        self._poke(IDT, b"".join(gates))

    def registers(self) -> dict[str, int]:
        values = dict.fromkeys(GENERAL, 0) | {"dr6": 0xFFFF0FF0, "dr7": 0x400, "rflags": 0x202}
        values |= {"rip": self._entry_point, "rsp": SCRATCH_TOP - 0x1000}
        values |= {"cr0": 0x80050033, "cr3": PML4, "cr4": 0x620, "efer": 0xD01}
        values |= {"gdtr_base": SYSTEM + GDT, "gdtr_limit": 0x47, "idtr_base": SYSTEM + IDT, "idtr_limit": 0xFFF}
        values |= {"cs": CODE_64, "cs_limit": 0xFFFFFFFF, "cs_flags": 0xAFFB00}
        values |= {"tr": TR, "tr_base": SYSTEM + TSS, "tr_limit": 0x67, "tr_flags": 0x8B00}
        if self._avx:
            values |= {"cr4": values["cr4"] | OSXSAVE, "xcr0": 7}
        for name in ("ss", "ds", "es"):
            values |= {name: DATA_32, f"{name}_limit": 0xFFFFFFFF, f"{name}_flags": 0xCFF300}
        return values

    @property
    def _entry_point(self) -> int:
        return int.from_bytes(self._read(HARNESS, 8), "little")

    def _read(self, linear: int, size: int) -> bytes:
        return self._peek(self._frame(linear), size)

    def load(self, batch: Batch) -> None:
        """The memory before the first case."""
        memory, start, end = batch.build()
        self._write(self._batch.linear, memory)
        self._write(RESULTS, bytes(batch.count * STATE_SIZE))
        self._write(CONTROL, struct.pack("<2Q", start, end))
        self._write(SCRATCH_TOP - 0x1000, struct.pack("<Q", GUEST_END))

    def results(self, batch: Batch) -> list[State]:
        """What the cases have left, when the guest has come to its end."""
        return results(self._read(RESULTS, batch.count * STATE_SIZE))

    def _frame(self, linear: int) -> int:
        for piece in self._pieces:
            if 0 <= linear - piece.linear < piece.size:
                return piece.frame + linear - piece.linear
        raise ValueError(f"{linear:#x} is none of the harness's")


class GuestCpu(Guest):
    """The engine's."""

    def __init__(self, cpu: str = "base", *, bits: int = 64) -> None:
        model = find_model(cpu)
        self.engine = UnicornEngine(RAM, LoggingBus(), (build_table(model),))
        super().__init__(avx="avx" in model.features, bits=bits)

    def _poke(self, physical: int, data: bytes) -> None:
        self.engine.write_ram(Physical(physical), data)

    def _peek(self, physical: int, size: int) -> bytes:
        return bytes(self.engine.ram[physical : physical + size])

    def run(self, batch: Batch) -> list[State]:
        self.begin(batch)
        outcome = self.engine.run(Tick(self.engine.clock + PATIENCE))
        if outcome != Halted():
            raise RuntimeError(f"the guest ended with {outcome} at {self.engine.read_register('rip'):#x}")
        return self.results(batch)

    def begin(self, batch: Batch) -> None:
        """The guest before its first case."""
        self.load(batch)
        self.engine.write_registers(self.registers())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.close()


def _gate(entry: int, *, ist: int, dpl: int = 0) -> bytes:
    return struct.pack("<HHBBHQ", entry & 0xFFFF, CODE0, ist, 0x8E | dpl << 5, entry >> 16 & 0xFFFF, entry >> 32)
