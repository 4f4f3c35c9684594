"""Breakpoints as a client sets them (GDB manual, Packets: Z0 to Z4), with their conditions and commands."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gdbstub.agent import Expression, Frame
from gdbstub.errors import ExpressionError
from gdbstub.stops import Access


class BreakpointKind(enum.IntEnum):
    """The digit after Z."""

    SOFTWARE = 0
    HARDWARE = 1
    WRITE = 2
    READ = 3
    ACCESS = 4

    @property
    def access(self) -> Access | None:
        """What a watchpoint watches; None for a breakpoint."""
        return _ACCESS.get(self)


_ACCESS = {
    BreakpointKind.WRITE: Access.WRITE,
    BreakpointKind.READ: Access.READ,
    BreakpointKind.ACCESS: Access.EITHER,
}


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """`length` is in bytes for a watchpoint; for a breakpoint it is the architecture's kind (1 on x86).

    `physical`: set while the client had switched to physical addresses (QEMU's PhyMemMode).
    """

    kind: BreakpointKind
    address: int
    length: int
    conditions: Sequence[Expression] = ()
    commands: Sequence[Expression] = ()
    physical: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether `stops` is to be called at a hit: it always stops otherwise."""
        return bool(self.conditions or self.commands)

    @property
    def key(self) -> tuple[BreakpointKind, int, int, bool]:
        return self.kind, self.address, self.length, self.physical

    def stops(self, frame: Frame) -> bool:
        """Whether a hit is to be reported. Runs the commands when the condition holds: they run instead.

        A condition that cannot be evaluated counts as true, so that its user learns of it.
        """
        if self.conditions and not self._holds(frame):
            return False
        return not self.commands or not self._run_commands(frame)

    def _holds(self, frame: Frame) -> bool:
        """Whether any of the conditions is true."""
        try:
            for condition in self.conditions:
                if condition.evaluate(frame):
                    return True
        except ExpressionError:
            return True
        return False

    def _run_commands(self, frame: Frame) -> bool:
        """Whether all commands ran; what went wrong is printed."""
        try:
            for command in self.commands:
                command.evaluate(frame)
        except ExpressionError as error:
            frame.print(f"breakpoint command at {self.address:#x} failed: {error}\n")
            return False
        return True


@dataclass(frozen=True, slots=True)
class Tracepoint(Breakpoint):
    """Collects where a breakpoint would stop. `number` is the client's, and keeps it apart from breakpoints."""

    number: int = 0
    collect: Callable[[Frame], None] = lambda _frame: None

    @property
    def is_asked(self) -> bool:
        return True

    @property
    def key(self) -> tuple[BreakpointKind, int, int, bool]:
        return self.kind, self.address, -1 - self.number, self.physical

    def stops(self, frame: Frame) -> bool:
        self.collect(frame)
        return False
