"""ORC: the kernel's exact unwind tables, and one step of unwinding with them.

Documentation/arch/x86/orc-unwinder.rst; arch/x86/include/asm/orc_types.h and arch/x86/kernel/unwind_orc.c.
The layout of an entry changed in 6.3 and 6.4; where its bit-fields are is taken from the guest's BTF.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from operator import add
from typing import TYPE_CHECKING

from vmdbg.os.linux.modules import module_values
from vmdbg.os.seam import DamagedError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_ENTRIES = 1 << 23
ENTRY_SIZE = 6


class Base(IntEnum):
    """What the previous stack pointer, or the saved frame pointer, is counted from (ORC_REG_* up to 6.x).

    Kernels of 7.x number them differently, which a table shows by the commonest one: SP.
    """

    UNDEFINED = 0
    PREVIOUS_SP = 1
    DX = 2
    DI = 3
    BP = 4
    SP = 5
    R10 = 6
    R13 = 7
    BP_INDIRECT = 8
    SP_INDIRECT = 9


class Shape(IntEnum):
    """What lies on the stack below the caller's frame (ORC_TYPE_* of 6.4 on)."""

    UNDEFINED = 0
    END_OF_STACK = 1
    CALL = 2
    REGISTERS = 3
    REGISTERS_PARTIAL = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """How to find the caller's frame from some instructions. A base is None if its number means nothing."""

    sp_offset: int
    bp_offset: int
    sp_base: Base | None
    bp_base: Base | None
    shape: Shape


_NUMBERING = {base.value: base for base in Base}
_RENUMBERED = {
    0: Base.UNDEFINED,
    2: Base.DX,
    3: Base.SP,
    4: Base.BP,
    6: Base.R10,
    7: Base.R13,
    8: Base.PREVIOUS_SP,
    9: Base.SP_INDIRECT,
    10: Base.BP_INDIRECT,
}
_SAMPLE = 256

FRAME_POINTER = Entry(16, -16, Base.BP, Base.PREVIOUS_SP, Shape.CALL)
CALL_TO_NULL = Entry(8, 0, Base.SP, Base.UNDEFINED, Shape.CALL)


class Format:
    """Where the fields of `struct orc_entry` are in this kernel."""

    def __init__(self, kernel: Kernel) -> None:
        type_ = kernel.type("struct orc_entry")
        self._sp_base, self._bp_base, self._type = (type_.field(name) for name in ("sp_reg", "bp_reg", "type"))
        self._end = type_.field("end") if type_.has("end") else None
        self.size = type_.size
        self.numbering = _NUMBERING

    def learn_numbering(self, entries: bytes) -> None:
        """Tell the two numberings apart by a sample of the kernel's own entries."""
        count = len(entries) // self.size
        sample = range(0, count, max(1, count // _SAMPLE))
        bases = Counter(
            int.from_bytes(entries[i * self.size : (i + 1) * self.size], "little") >> self._sp_base.bit_offset & 15
            for i in sample
        )
        if bases[3] > bases[Base.SP]:
            self.numbering = _RENUMBERED

    def decode(self, raw: bytes) -> Entry:
        sp_offset, bp_offset = struct.unpack_from("<hh", raw)
        number = int.from_bytes(raw, "little")
        sp_base, bp_base, kind = (
            number >> field.bit_offset & (1 << field.bits) - 1 for field in (self._sp_base, self._bp_base, self._type)
        )
        if self._end is None:
            shape = Shape(kind) if kind <= Shape.REGISTERS_PARTIAL else Shape.UNDEFINED
        elif not sp_base:
            ends = number >> self._end.bit_offset & 1
            shape = Shape.END_OF_STACK if ends else Shape.UNDEFINED
        else:
            shape = (Shape.CALL, Shape.REGISTERS, Shape.REGISTERS_PARTIAL, Shape.UNDEFINED)[kind]
        numbering = self.numbering
        return Entry(sp_offset, bp_offset, numbering.get(sp_base), numbering.get(bp_base), shape)


class Table:
    """The entries of the kernel or of one module: `places[i]` is relative to its own address."""

    def __init__(self, places: bytes, address: int, entries: bytes, form: Format) -> None:
        self.places = memoryview(places).cast("i")
        self.address = address
        self.entries = entries
        self.form = form
        self._decoded: dict[bytes, Entry] = {}

    def __len__(self) -> int:
        return len(self.places)

    def start(self, index: int) -> int:
        """The first instruction that an entry is for."""
        return self.address + 4 * index + self.places[index]

    def entry(self, index: int) -> Entry:
        size = self.form.size
        raw = self.entries[index * size : (index + 1) * size]
        found = self._decoded.get(raw)
        if found is None:
            found = self._decoded[raw] = self.form.decode(raw)
        return found

    def starts(self) -> Iterator[int]:
        """The first instruction of every entry."""
        return map(add, range(self.address, self.address + 4 * len(self), 4), self.places)

    def raw_entries(self) -> list[bytes]:
        """Every entry as it is in the guest."""
        return [raw for (raw,) in struct.iter_unpack(f"{self.form.size}s", self.entries)]

    def distinct(self) -> Iterator[tuple[bytes, Entry]]:
        """Each different entry once: a few thousand of half a million."""
        return ((raw, self.form.decode(raw)) for raw in set(self.raw_entries()))

    def find(self, pc: int) -> Entry | None:
        if not len(self):
            return None
        index = bisect_right(range(len(self)), pc, key=self.start) - 1
        return self.entry(index) if index >= 0 else None


class OrcTables:
    """The kernel's table, and those of its modules by the ranges of their memory."""

    def __init__(self, kernel: Kernel, core: Table | None = None) -> None:
        """`core` is the kernel's table as it was read at another instant of the same boot."""
        self._kernel = kernel
        self._format = core.form if core else Format(kernel)
        self.core = core or self._core()
        self._text = kernel.symbol("_stext"), kernel.symbol("_etext")
        self._init_text = self._range("_sinittext", "_einittext")
        self._modules: list[tuple[tuple[tuple[int, int], ...], Table]] | None = None

    def _range(self, first: str, last: str) -> tuple[int, int]:
        kernel = self._kernel
        return (kernel.symbol(first), kernel.symbol(last)) if kernel.has_symbol(first) else (0, 0)

    def _core(self) -> Table:
        kernel = self._kernel
        start, end = kernel.symbol("__start_orc_unwind_ip"), kernel.symbol("__stop_orc_unwind_ip")
        table = self._table(start, (end - start) // 4, kernel.symbol("__start_orc_unwind"))
        self._format.learn_numbering(table.entries)
        return table

    def _table(self, places: int, count: int, entries: int) -> Table:
        if not 0 <= count <= MAX_ENTRIES:
            raise DamagedError("ORC table", places)
        read = self._kernel.memory.read_image
        return Table(read(places, 4 * count), places, read(entries, self._format.size * count), self._format)

    def find(self, pc: int) -> Entry | None:
        """How to leave the function at `pc`; None where no table says."""
        if not pc:
            return CALL_TO_NULL
        for start, end in (self._text, self._init_text):
            if start <= pc < end:
                return self.core.find(pc)
        for ranges, table in self.modules():
            if any(start <= pc < end for start, end in ranges):
                return table.find(pc)
        return None

    def modules(self) -> list[tuple[tuple[tuple[int, int], ...], Table]]:
        """The ranges of each module, its text first, with its table."""
        if self._modules is None:
            self._modules = []
            ranges = {module.name: module.ranges for module in self._kernel.symbols.modules}
            for value in module_values(self._kernel):
                name = value.member_("name").string_()
                arch = value.member_("arch")
                count = int(arch.num_orcs)
                if count and name in ranges:
                    table = self._table(int(arch.orc_unwind_ip), count, int(arch.orc_unwind))
                    self._modules.append((ranges[name], table))
        return self._modules
