"""Where a value of a program is: what an expression of DWARF comes to, and what it can ask. Source: DWARF 5, 2.6."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from vmdbg.c.content import OPTIMIZED_OUT
from vmdbg.dwarf.machine import Machine
from vmdbg.dwarf.operations import Operations

_ENCODING_FLOAT, _SIGNED_ENCODINGS = 4, frozenset({5, 6, 13})


@dataclass(frozen=True, slots=True)
class BaseType:
    """What DW_OP_convert and its like say of an entry of the stack: DW_AT_byte_size and DW_AT_encoding."""

    size: int
    encoding: int

    @property
    def is_float(self) -> bool:
        return self.encoding == _ENCODING_FLOAT and self.size in (4, 8)

    def number(self, bits: int) -> int | float:
        if self.is_float:
            return float(struct.unpack("<f" if self.size == 4 else "<d", bits.to_bytes(self.size, "little"))[0])
        sign = 1 << 8 * self.size - 1
        return (bits ^ sign) - sign if self.encoding in _SIGNED_ENCODINGS and bits & sign else bits

    def bits(self, number: float) -> int:
        if self.is_float:
            return int.from_bytes(struct.pack("<f" if self.size == 4 else "<d", float(number)), "little")
        return int(number) & (1 << 8 * self.size) - 1


@dataclass(frozen=True, slots=True)
class InMemory:
    """The object is at an address."""

    address: int


@dataclass(frozen=True, slots=True)
class InRegister:
    """The object is (the lower part of) a register of the frame."""

    name: str


@dataclass(frozen=True, slots=True)
class Computed:
    """The object is nowhere, but these are its bits; `size` in bytes."""

    bits: int
    size: int


@dataclass(frozen=True, slots=True)
class ImplicitPointer:
    """The object is a pointer to something that is nowhere: to `offset` bytes into what the entry describes."""

    entry: int
    offset: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The object has no value here."""

    why: str = OPTIMIZED_OUT


Simple = InMemory | InRegister | Computed | ImplicitPointer | Nowhere


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` bits of an object, from bit `start` of where they are."""

    where: Simple
    size: int
    start: int = 0


@dataclass(frozen=True, slots=True)
class Composed:
    """An object in several places, the lowest bits first."""

    pieces: tuple[Piece, ...]


Location = Simple | Composed


class Surroundings(Protocol):
    """What an expression can ask of the frame and the unit that it stands in. Each raises NotAvailableError."""

    @property
    def machine(self) -> Machine: ...

    def frame_base(self) -> int: ...

    def cfa(self) -> int: ...

    def placed(self, address: int) -> int:
        """Where the guest has an address of the file."""
        ...

    def indexed_address(self, index: int) -> int:
        """An entry of .debug_addr, as the file has it."""
        ...

    def entry_value(self, inner: Operations) -> int:
        """What a register, or what it pointed to, was when the function was entered."""
        ...

    def parameter_value(self, offset: int) -> int:
        """What the caller had for a parameter that the compiler no longer passes, by the parameter's entry."""
        ...

    def base_type(self, offset: int) -> BaseType | None:
        """By offset in the unit; None for 0, the generic type."""
        ...

    def operations_of(self, offset: int, *, in_unit: bool) -> Operations:
        """The location of another entry (DW_OP_call2 and others)."""
        ...
