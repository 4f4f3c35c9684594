"""Z and z, QCatchSyscalls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.agent import Expression
from gdbstub.breakpoints import BreakpointKind
from gdbstub.errors import ExpressionError
from gdbstub.requests.parsing import MalformedError, NotKnownError, data, flag, number, pair, shown


@dataclass(frozen=True, slots=True)
class InsertBreakpoint:
    """Z type,addr,kind[;Xlen,expr...][;cmds:persist,Xlen,expr...]"""

    kind: BreakpointKind
    address: int
    length: int
    conditions: tuple[Expression, ...] = ()
    commands: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveBreakpoint:
    """z type,addr,kind"""

    kind: BreakpointKind
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class CatchSystemCalls:
    """QCatchSyscalls:0 or QCatchSyscalls:1[;number]...: no call (None), all (an empty set), or these."""

    numbers: frozenset[int] | None


MAX_LOOPS = 1
"""Expressions of one breakpoint with a backward jump, each of which may take agent.interpret.MAX_STEPS at every hit.
gdb sends none.
"""

BreakpointsRequest = InsertBreakpoint | RemoveBreakpoint | CatchSystemCalls


def _place(fields: bytes) -> tuple[BreakpointKind, int, int]:
    kind, rest = pair(fields, b",", "Z")
    address, length = pair(rest, b",", "Z")
    if kind not in (b"0", b"1", b"2", b"3", b"4"):
        raise NotKnownError(f"Z: {shown(kind)} is not a type of breakpoint")
    return BreakpointKind(int(kind)), number(address, "Z"), number(length, "Z")


def _insert(fields: bytes) -> BreakpointsRequest:
    place, _, options = fields.partition(b";")
    kind, address, length = _place(place)
    conditions, found, commands = options.partition(b"cmds:")
    if found:
        commands = pair(commands, b",", "Z: cmds")[1]
    made = InsertBreakpoint(kind, address, length, _expressions(conditions), _expressions(commands))
    if sum(expression.loops for expression in (*made.conditions, *made.commands)) > MAX_LOOPS:
        raise MalformedError(f"Z: more than {MAX_LOOPS} agent expression that loops")
    return made


def _expressions(fields: bytes) -> tuple[Expression, ...]:
    """Any number of Xlen,bytes with optional semicolons between. gdb puts none, the manual does."""
    found = []
    while fields := fields.lstrip(b";"):
        if not fields.startswith(b"X"):
            raise MalformedError(f"Z: {shown(fields)} is not an agent expression")
        length, rest = pair(fields[1:], b",", "Z: expression")
        digits = 2 * number(length, "Z: expression length")
        if len(rest) < digits:
            raise MalformedError("Z: truncated agent expression")
        found.append(_expression(rest[:digits]))
        fields = rest[digits:]
    return tuple(found)


def _expression(code: bytes) -> Expression:
    try:
        return Expression(data(code, "Z: expression"))
    except ExpressionError as error:
        raise MalformedError(f"Z: agent expression refused: {error}") from None


def _remove(fields: bytes) -> BreakpointsRequest:
    return RemoveBreakpoint(*_place(fields.partition(b";")[0]))


def _catch(fields: bytes) -> BreakpointsRequest:
    on, *numbers = fields.removeprefix(b":").split(b";")
    if not flag(on, "QCatchSyscalls"):
        return CatchSystemCalls(None)
    return CatchSystemCalls(frozenset(number(field, "QCatchSyscalls") for field in numbers))


PARSERS: Mapping[bytes, Callable[[bytes], BreakpointsRequest]] = {
    b"Z": _insert,
    b"z": _remove,
    b"QCatchSyscalls": _catch,
}
