"""A symbol file of the session: its symbols, its lines, its debug information, and where the guest has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vmdbg.errors import UserError
from vmdbg.os.seam import Location
from vmdbg.symbols.load import load_file
from vmdbg.symbols.placement import Placement
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.table import SymbolTable
from vmdbg.timeline.origin import Origin
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.dwarf.debug_file import DebugFile
    from vmdbg.dwarf.frame import Frame, Frames
    from vmdbg.dwarf.machine import ReadMemory
    from vmdbg.dwarf.program import Program
    from vmdbg.symbols.line_file import LineFile


class Where(Protocol):
    """Where the guest has a file, which depends on when, and on who runs."""

    def __call__(self) -> Placement: ...

    def anywhere(self) -> Placement:
        """The same for looking up names, be it in a process that does not run."""
        ...


@dataclass(slots=True)
class SymbolFile:
    """One file: its symbols, and its debug information if it is ELF, which is read as it is asked for.

    What belongs to a process names addresses only while `process` runs; names have addresses at any time.
    `where` says where the guest has it now, if that changes.
    """

    source: SymbolSource
    table: SymbolTable
    debug: DebugFile | None = None
    process: int | None = None
    running: Callable[[], int | None] = lambda: None
    where: Where | None = None
    _lines: LineFile | None = None
    _program: Program | None = None
    _frames: Frames | None = None

    def find(self, name: str) -> Linear | None:
        if self.where is None:
            return self.table.find(name)
        if self.table.has(name):
            self._place(self.where.anywhere())
            return self.table.find(name)
        return None

    def nearest(self, address: int) -> Location | None:
        self._follow()
        found = self.table.nearest(address)
        return found if found is not None and self.process in (None, self.running()) else None

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        return self.table.matching(prefix, limit)

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def slide(self) -> int:
        return self.table.slide

    @property
    def placement(self) -> Placement:
        return self.table.placement

    def _follow(self) -> None:
        if self.where is not None:
            self._place(self.where())

    def _place(self, placement: Placement) -> None:
        if placement is not self.table.placement:
            self.place(placement)

    def place(self, placement: Placement) -> None:
        """Where the guest has it."""
        self.table.placement = placement
        if self._lines is not None:
            self._lines.placement = placement

    def move(self, slide: int) -> None:
        """The guest has it so much higher than the file says."""
        self.place(Placement(slide))

    @property
    def program(self) -> Program | None:
        """What its debug information says of functions, variables, types and frames; None without any."""
        if self._program is None and self.debug is not None:
            from vmdbg.dwarf.program import Program

            self._program = Program(self.debug)
        return self._program

    def frame(
        self,
        read: ReadMemory,
        registers: Mapping[str, int],
        *,
        exact: bool,
        caller: Callable[[], Frame | None] = lambda: None,
    ) -> Frame | None:
        """One of its code, which is at the registers' `rip`; None without debug information."""
        if self._frames is None and self.program is not None:
            from vmdbg.dwarf.frame import Frames

            self._frames = Frames(self.program)
        if self._frames is None:
            return None
        return self._frames.frame(self.placement, read, registers, exact=exact, caller=caller)

    @property
    def lines(self) -> LineFile:
        self._follow()
        if self._lines is None:
            from vmdbg.symbols.line_file import LineFile

            self._lines = LineFile(self.debug, self.placement)
        return self._lines


def read_symbol_file(path: Path, content: memoryview | None = None) -> SymbolFile:
    """What the file, or `content` in its place, has under the addresses that it was linked for. Raises UserError."""
    source = SymbolSource(path, content)
    return SymbolFile(source, *load_file(source))


def guest_symbol_file(origin: Origin | None) -> SymbolFile | None:
    """The kernel that the guest was booted from, if it is an ELF file. One that is damaged has no symbols."""
    elf = origin.elf if origin is not None else None
    if elf is None:
        return None
    try:
        return read_symbol_file(Path(elf.name), elf.data)
    except UserError:
        return None
