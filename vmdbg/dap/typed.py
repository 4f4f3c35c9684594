"""Typed values of the guest as variables: what each shows, and what is inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from dapstub import values
from vmdbg.c.formatting import format_short
from vmdbg.c.types import AGGREGATES, CType, Kind, declare
from vmdbg.c.values import Value
from vmdbg.dap.references import References
from vmdbg.errors import VmdbgError

_SPELLED = re.compile(r"[\w *\[\]]+")
"""Types that can be looked up by name."""
MOST_IN_LINE, LINE = 6, 90
"""Members of a struct in one line, and about how many characters of them."""
MAX_MEMBERS = 4096
"""Of one value, shown at once."""
SIMPLE = frozenset({Kind.VOID, Kind.FUNCTION, Kind.PROTOTYPE, Kind.FORWARD})
"""What a pointer to it has nothing to show of."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with the expression that gives it; "" where there is none."""

    value: Value
    expression: str

    @property
    def is_live(self) -> bool:
        return self.value.address_ is not None


def variable(references: References, name: str, typed: Typed, *, hexadecimal: bool = False) -> values.Variable:
    """As it is shown in a list; what is inside is read when it is asked for."""
    value = typed.value
    members, elements = inside(value)
    reference = references.add(typed) if members or elements else 0
    address = memory_address(value)
    return values.Variable(
        name,
        short(value, hexadecimal=hexadecimal),
        reference,
        type=declare(value.type_, ""),
        evaluate_name=typed.expression or None,
        memory_reference=f"{address:#x}" if address is not None else None,
        named_variables=members or None,
        indexed_variables=elements or None,
    )


def by_address(value: Value) -> str:
    """An expression that gives a value wherever it is asked for; "" for what is in no memory, or of no name."""
    spelling = declare(value.type_, "")
    if value.address_ is None or value.extent_().bits or not _SPELLED.fullmatch(spelling):
        return ""
    return f'object("{spelling}", {value.address_:#x})'


def short(value: Value, *, hexadecimal: bool = False) -> str:
    """In one line. What cannot be read says so."""
    try:
        if hexadecimal and value.type_.strip().kind is Kind.INT:
            return f"{int(value) & (1 << 8 * value.type_.size) - 1:#x}"
        words = format_short(value)
    except VmdbgError as error:
        return f"<{error}>"
    if words != "...":
        return words
    return _members_in_line(value) if value.type_.strip().kind in AGGREGATES else f"[{len(value)}]"


def _members_in_line(value: Value) -> str:
    """Of a struct, as many as a list has room for; what is inside those is not shown."""
    parts: list[str] = []
    fields = value.type_.strip().fields
    for name, field in islice(fields, MOST_IN_LINE):
        if not name:
            continue
        member = value.at_(field)
        try:
            words = format_short(member)
        except VmdbgError as error:
            return f"<{error}>"
        parts.append(f"{name} = {'{...}' if words == '...' else words}")
        if sum(map(len, parts)) > LINE:
            parts[-1] = "..."
            break
    rest = [] if parts[-1:] == ["..."] or len(fields) <= MOST_IN_LINE else ["..."]
    return "{" + ", ".join([*parts, *rest]) + "}"


def memory_address(value: Value) -> int | None:
    """Where a memory view of it begins: of a pointer where that points."""
    kind = value.type_.strip().kind
    try:
        return int(value) if kind is Kind.POINTER else value.address_
    except VmdbgError:
        return None


def inside(value: Value) -> tuple[int, int]:
    """How many members and how many elements it has to show."""
    type_ = value.type_.strip()
    match type_.kind:
        case kind if kind in AGGREGATES:
            return len(type_.fields) if value.is_object_ else 0, 0
        case Kind.ARRAY:
            return (0, type_.count) if value.is_object_ and not _is_text(type_) else (0, 0)
        case Kind.POINTER:
            target = type_.element.strip()
            if target.kind in SIMPLE or target.is_character or not _points(value):
                return 0, 0
            return len(target.fields) if target.kind in AGGREGATES else 1, 0
        case _:
            return 0, 0


def _is_text(type_: CType) -> bool:
    return type_.element.strip().is_character


def _points(value: Value) -> bool:
    try:
        return int(value) != 0
    except VmdbgError:
        return False


def children(typed: Typed, start: int, count: int) -> Iterator[tuple[str, Typed]]:
    """So many of them from one on, each with its name; `count` 0: all. No more than MAX_MEMBERS."""
    value, type_ = typed.value, typed.value.type_.strip()
    if type_.kind is Kind.ARRAY:
        end = min(type_.count, start + min(count or MAX_MEMBERS, MAX_MEMBERS))
        for index in range(start, end):
            yield f"[{index}]", Typed(value[index], _on(typed, f"[{index}]"))
        return
    if type_.kind is Kind.POINTER and type_.element.strip().kind not in AGGREGATES:
        yield "*", Typed(value.dereference_(), f"*({typed.expression})" if typed.expression else "")
        return
    owner = value.dereference_() if type_.kind is Kind.POINTER else value
    fields = list(owner.type_.strip().fields)[:MAX_MEMBERS]
    for name, field in fields[start : start + count if count else None]:
        member = owner.at_(field)
        yield name or "<anonymous>", Typed(member, _on(typed, f".{name}") if name else typed.expression)


def _on(typed: Typed, more: str) -> str:
    if not typed.expression:
        return ""
    is_name = typed.expression.replace("_", "a").isalnum()
    return f"{typed.expression}{more}" if is_name else f"({typed.expression}){more}"
