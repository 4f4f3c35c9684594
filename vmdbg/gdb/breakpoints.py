"""Z0 to Z4: the client's breakpoints among everybody's, with conditions and commands evaluated here."""

from __future__ import annotations

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.errors import TargetError
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Breakpoint as DebuggerBreakpoint
from vmdbg.debugger.points import Condition, Point, Space
from vmdbg.debugger.points import Watchpoint as DebuggerWatchpoint
from vmdbg.engine.exits import Access
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.frame import GuestFrame

_ACCESSES = {
    BreakpointKind.WRITE: {Access.WRITE},
    BreakpointKind.READ: {Access.READ},
    BreakpointKind.ACCESS: {Access.READ, Access.WRITE},
}
MAX_WATCHED = 1 << 32
"""Bytes that one watchpoint may cover."""

_Key = tuple[BreakpointKind, int, int, bool]


class GuestBreakpoints:
    """gdbstub's Breakpoints port. Addresses are linear, or physical in PhyMemMode."""

    kinds = frozenset(BreakpointKind)

    def __init__(self, debugger: Debugger, frame: GuestFrame, address_mask: int, owner: str) -> None:
        self._debugger = debugger
        self._owner = owner
        self._frame = frame
        self._mask = address_mask
        self._set: dict[_Key, Point] = {}
        self._stub: dict[int, Breakpoint] = {}

    def insert(self, point: Breakpoint) -> None:
        """Many clients take breakpoints out and put them back at every stop: the same one is the same point."""
        if point.key in self._set:
            self.remove(point)
        with refusals():
            made = self._make(point)
        self._set[point.key] = made
        self._stub[made.number] = point

    def _make(self, point: Breakpoint) -> DebuggerBreakpoint | DebuggerWatchpoint:
        space = Space.PHYSICAL if point.physical else Space.LINEAR
        condition = self._condition(point)
        table, address = self._debugger.points, point.address & self._mask
        accesses = _ACCESSES.get(point.kind)
        if accesses is None:
            return table.add_breakpoint(address, space=space, owner=self._owner, condition=condition)
        if point.length > MAX_WATCHED:
            raise TargetError(f"a watchpoint over {point.length:#x} bytes; at most {MAX_WATCHED:#x} are watched")
        return table.add_watchpoint(
            address, point.length, accesses, space=space, owner=self._owner, condition=condition
        )

    def _condition(self, point: Breakpoint) -> Condition | None:
        if not point.is_asked:
            return None
        frame = self._frame
        return lambda _debugger: point.stops(frame)

    def remove(self, point: Breakpoint) -> None:
        made = self._set.pop(point.key, None)
        if made is not None:
            self._stub.pop(made.number, None)
            self._debugger.points.remove(made)

    def of_client(self, point: Point) -> Breakpoint | None:
        """What the client set; None for somebody else's."""
        return self._stub.get(point.number)
