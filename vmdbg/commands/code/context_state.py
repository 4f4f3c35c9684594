"""Which sections a stop shows, how much of each, and the registers of the stop before."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.document.document import Style
from vmdbg.session.session import Session
from vmdbg.x86.registers import GENERAL, SEGMENTS

MARGIN = 2
"""Columns of the terminal that stay free."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each section is shown. `left_out` are sections that there is no room for.

    Without `all_registers`, only the stack pointer and those that have changed.
    """

    before: int = 3
    after: int = 6
    source: int = 7
    stack: int = 8
    frames: int = 6
    all_registers: bool = True
    left_out: frozenset[str] = frozenset()


SIZES = (
    Size(),
    Size(2, 5, 5, 5, 4),
    Size(2, 4, 5, 3, 3),
    Size(2, 4, 5, 3, 3, all_registers=False),
    Size(1, 3, 3, 2, 2, all_registers=False),
    Size(1, 3, 3, 2, 2, all_registers=False, left_out=frozenset({"stack"})),
    Size(1, 2, 1, 1, 1, all_registers=False, left_out=frozenset({"stack", "backtrace"})),
)
"""From what a large terminal has room for downwards."""


class ContextState:
    """Which sections in which order, and the registers of the stop before, to mark what changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sections: list[str] = ["registers", "code", "source", "stack", "backtrace", "watch"]
        self.enabled = True
        self.before: dict[str, int] = {}
        self.now: dict[str, int] = {}
        self.expressions: list[str] = []
        self.size = SIZES[0]
        self._epoch: object = None

    def look(self) -> None:
        """Take the registers as they are; those of the last different instant are the ones before."""
        engine = self._session.debugger.engine
        epoch = (self._session.debugger.epoch, engine.selected)
        if epoch == self._epoch:
            return
        self._epoch = epoch
        names = (*GENERAL, "rip", "rflags", *SEGMENTS, "cr0", "cr2", "cr3", "cr4", "efer", "fs_base", "gs_base")
        self.before, self.now = self.now, {name: engine.read_register(name) for name in names}

    def style(self, name: str) -> Style:
        """Of a register's value: whether it changed."""
        return Style.CHANGED if self.before and self.before.get(name) != self.now.get(name) else Style.NUMBER
