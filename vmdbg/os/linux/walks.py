"""The kernel's containers walked with bounds: damage ends a walk with an error, never with a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

from vmdbg.c.values import Value
from vmdbg.os.linux.types import Type
from vmdbg.os.seam import DamagedError
from vmdbg.x86.linear_memory import UnmappedLinearError

MAX_ELEMENTS = 1 << 17
MAX_HEIGHT = 64

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def guarded(what: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Turn what unreadable memory does to a function into `DamagedError` with the address."""

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(function)
        def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            try:
                return function(*args, **kwargs)
            except UnmappedLinearError as error:
                raise DamagedError(what, error.address) from error

        return wrapper

    return decorate


def list_entries(head: Value, type_: Type, path: str, limit: int = MAX_ELEMENTS) -> Iterator[Value]:
    """Each `type_` whose `struct list_head` member `path` is on the list with this head."""
    assert head.address_ is not None
    start, offset = head.address_, type_.offset_of(path)
    space = head.space_
    position = int.from_bytes(space.read(start, 8), "little")
    seen: set[int] = set()
    while len(seen) < limit and position not in seen:
        if position == start:
            return
        seen.add(position)
        yield Value(space, type_, position - offset)
        position = int.from_bytes(space.read(position, 8), "little")
    raise DamagedError(f"list of {type_} (it never comes back to its head)", position)


def hlist_entries(head: Value, type_: Type, path: str, limit: int = MAX_ELEMENTS) -> Iterator[Value]:
    """Each `type_` on a `struct hlist_head`; also on nulls lists, which end in an odd number."""
    assert head.address_ is not None
    offset = type_.offset_of(path)
    position = int.from_bytes(head.space_.read(head.address_, 8), "little")
    seen: set[int] = set()
    while len(seen) < limit and position not in seen:
        if not position or position & 1:
            return
        seen.add(position)
        yield Value(head.space_, type_, position - offset)
        position = int.from_bytes(head.space_.read(position, 8), "little")
    raise DamagedError(f"hash list of {type_} (it has no end)", position)


def rb_entries(root: Value, type_: Type, path: str, limit: int = MAX_ELEMENTS) -> Iterator[Value]:
    """Each `type_` in a `struct rb_root`, in order."""
    space, offset = root.space_, type_.offset_of(path)
    top = root.first_("rb_node", "rb_root.rb_node")
    node, shape = int(top), top.type_.element
    right_offset, left_offset = shape.offset_of("rb_right"), shape.offset_of("rb_left")
    pending: list[int] = []
    seen: set[int] = set()
    while len(seen) < limit:
        if node:
            if node in seen or len(pending) > 2 * MAX_HEIGHT:
                break
            seen.add(node)
            pending.append(node)
            node = int.from_bytes(space.read(node + left_offset, 8), "little")
        elif pending:
            node = pending.pop()
            yield Value(space, type_, node - offset)
            node = int.from_bytes(space.read(node + right_offset, 8), "little")
        else:
            return
    raise DamagedError(f"tree of {type_}", root.address_ or 0)
