"""Values that expressions handle besides Python's own: memory, and objects whose types an operating system knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, Union, runtime_checkable

from vmdbg.c.extent import Extent, Sort
from vmdbg.expressions.errors import ExpressionError

MAX_READ = 1 << 24
WORD = (1 << 64) - 1


@runtime_checkable
class TypedValue(Protocol):
    """An object of the guest with a type: members, elements and a value (vmdbg.c.values)."""

    def member_(self, path: str) -> TypedValue: ...

    def dereference_(self) -> ExpressionValue: ...

    def pointer_(self) -> TypedValue: ...

    def __getitem__(self, index: int) -> ExpressionValue: ...

    def number_(self) -> int | float:
        """What it is in arithmetic."""
        ...

    def __int__(self) -> int: ...


@runtime_checkable
class Placed(Protocol):
    """A value that knows where in linear memory it is."""

    def extent_(self) -> Extent: ...

    def __int__(self) -> int: ...


class Located(int):
    """An integer read from linear memory, which remembers where; in arithmetic it is a number like any other."""

    address: int
    size: int

    @classmethod
    def of(cls, number: int, address: int, size: int) -> Located:
        made = cls(number)
        made.address, made.size = address, size
        return made

    def extent_(self) -> Extent:
        return Extent(Sort.NUMBER, self.address, self.size)


class MemoryView:
    """`mem[address]`, `mem[address, size]`, `mem[start:end]`: little-endian integers and bytes of guest memory."""

    def __init__(self, read: Callable[[int, int], bytes], word: Callable[[], int], name: str) -> None:
        self.read_bytes = read
        self._word = word
        self._name = name

    def __getitem__(self, index: ExpressionValue) -> int | bytes:
        if isinstance(index, slice):
            if index.step is not None or index.start is None or index.stop is None:
                raise ExpressionError(f"write {self._name}[start:end]")
            start, end = whole(index.start), whole(index.stop)
            return self._read(start, end - start)
        if isinstance(index, tuple) and len(index) == 2:
            start, size = whole(index[0]), whole(index[1])
        else:
            start, size = whole(index), self._word()
        return int.from_bytes(self._read(start, size), "little")

    def _read(self, start: int, size: int) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise ExpressionError(f"{size} bytes are no size of memory to read at once (at most {MAX_READ})")
        return self.read_bytes(start & WORD, size)


ExpressionValue: TypeAlias = Union[
    int, float, str, bytes, range, slice, "list[ExpressionValue]", "tuple[ExpressionValue, ...]",
    TypedValue, MemoryView, None,
]  # fmt: skip
"""What an expression can be. `int` has bool and Located among it."""


def whole(value: ExpressionValue) -> int:
    """The integer of a value; raises ExpressionError for what is none."""
    if isinstance(value, int):
        return int(value)
    try:
        if isinstance(value, TypedValue):
            return int(value)
    except (TypeError, ValueError) as error:
        raise ExpressionError(f"{describe(value)} is no integer") from error
    raise ExpressionError(f"{describe(value)} is no integer")


def describe(value: object) -> str:
    """The kind of a value, for messages."""
    names = {str: "text", bytes: "a string of bytes", float: "a fraction", list: "a list", tuple: "a tuple"}
    return names.get(type(value), "a typed value" if isinstance(value, TypedValue) else type(value).__name__)
