"""C's own integer types and pointers to them: what casts mean where no operating system tells of types."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from vmdbg.c.extent import Extent, Sort
from vmdbg.c.spelling import INTEGER_WORDS, integer_key
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.values import WORD, ExpressionValue, Located, MemoryView, whole

_SPELLING = re.compile(r"(?P<name>[a-z_0-9]+(?:\s+[a-z_0-9]+)*)\s*(?P<stars>(?:\*\s*)*)")
SIZES = {
    "char": 1, "short": 2, "int": 4, "long": 8, "long long": 8, "unsigned": 4,
    "size_t": 8, "ssize_t": 8, "intptr_t": 8, "uintptr_t": 8,
    "int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8,
    "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8,
    "u8": 1, "u16": 2, "u32": 4, "u64": 8, "s8": 1, "s16": 2, "s32": 4, "s64": 8,
}  # fmt: skip
"""In bytes, as on x86-64 (System V ABI 3.1.2)."""
POINTER = 8


@dataclass(frozen=True, slots=True)
class Basic:
    """An integer type, `levels` of pointers away."""

    size: int
    signed: bool
    levels: int


def basic_type(spelling: str) -> Basic | None:
    """`unsigned int *`; None for what is none of C's integer types."""
    match = _SPELLING.fullmatch(spelling.strip())
    if match is None:
        return None
    words = match["name"].split()
    name = " ".join(words)
    if INTEGER_WORDS.issuperset(words):
        key = integer_key(name).split()
        name = " ".join(word for word in key if word not in ("signed", "unsigned")) or "int"
    if name not in SIZES or words.count("unsigned") + words.count("signed") > 1:
        return None
    signed = "unsigned" not in words and name[0] != "u" and name != "size_t"
    return Basic(SIZES[name], signed, match["stars"].count("*"))


def basic_cast(mem: MemoryView, type_: Basic, value: ExpressionValue) -> int | BasicPointer:
    """The value as that type: a number cut to its size, or a pointer."""
    if type_.levels:
        return BasicPointer(mem, whole(value) & WORD, type_)
    return int.from_bytes((whole(value) & (1 << 8 * type_.size) - 1).to_bytes(type_.size, "little"), "little",
                          signed=type_.signed)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BasicPointer:
    """`(int *)address`. Implements TypedValue; in arithmetic it is its address, in bytes.

    `place` is where the pointer itself was read, None if it was computed.
    """

    mem: MemoryView
    address: int
    type_: Basic
    place: int | None = None

    def dereference_(self) -> int | BasicPointer:
        return self[0]

    def pointer_(self) -> BasicPointer:
        if self.place is None:
            raise ExpressionError("the pointer is a value of the expression: it is nowhere in memory")
        return BasicPointer(self.mem, self.place, replace(self.type_, levels=self.type_.levels + 1))

    def member_(self, path: str) -> NoReturn:
        raise ExpressionError(f"a pointer to integers has no member {path!r}")

    def __getitem__(self, index: ExpressionValue) -> int | BasicPointer:
        size = self.pointed_size
        where = (self.address + whole(index) * size) & WORD
        number = int.from_bytes(self.mem.read_bytes(where, size), "little")
        value = basic_cast(self.mem, Basic(self.type_.size, self.type_.signed, self.type_.levels - 1), number)
        return replace(value, place=where) if isinstance(value, BasicPointer) else Located.of(value, where, size)

    @property
    def pointed_size(self) -> int:
        return POINTER if self.type_.levels > 1 else self.type_.size

    def extent_(self) -> Extent:
        return Extent(Sort.POINTER, self.place, POINTER)

    def number_(self) -> int:
        return self.address

    def __int__(self) -> int:
        return self.address

    def __str__(self) -> str:
        sign = "" if self.type_.signed else "u"
        return f"({sign}int{self.type_.size * 8}_t {'*' * self.type_.levels}){self.address:#x}"
