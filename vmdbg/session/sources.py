"""Symbol files of the session, their source lines, and the text of sources."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.dwarf.program import Program
from vmdbg.errors import UserError, VmdbgError
from vmdbg.os.seam import Location
from vmdbg.session.module_files import ModulePlacement
from vmdbg.session.program_files import ProgramPlacement, is_program
from vmdbg.session.registry import Effect
from vmdbg.symbols.kernel_module import module_name
from vmdbg.symbols.line_file import LineFile
from vmdbg.symbols.lines import LineRange
from vmdbg.symbols.load import load_file
from vmdbg.symbols.placement import Placement
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.table import SymbolTable
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.session.session import Session
    from vmdbg.timeline.origin import Origin


LONGEST_SOURCE = 1 << 24


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
            self._program = Program(self.debug)
        return self._program

    @property
    def lines(self) -> LineFile:
        self._follow()
        if self._lines is None:
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


class Sources:
    """All symbol files, and where their sources are looked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.files: list[SymbolFile] = []
        self.changes = 0
        """Counts what was added, taken away or moved."""
        self._to_settle: list[SymbolFile] = []
        self.directories: list[Path] = [Path()]
        self._texts: dict[str, list[str] | None] = {}

    def add(self, path: Path, slide: int | None = 0, process: int | None = None) -> SymbolFile:
        """Raises UserError. A file that is there already is read again. A slide of None: where the guest has it.

        That is known of its kernel, and of its modules, which need not be loaded yet.
        """
        added = read_symbol_file(path)
        if added.debug is not None and added.debug.sections:
            added.where = self._module(added, path, slide)
        elif added.debug is not None and slide is None and process is None and is_program(added.table):
            added.where = ProgramPlacement(self._session, path, added.debug)
        else:
            added.move(self._kernel_slide(added.table) if slide is None else slide)
        added.process, added.running = process, self._running
        self.use(added)
        return added

    def _module(self, added: SymbolFile, path: Path, slide: int | None) -> ModulePlacement:
        """Raises UserError for another file that is not linked: nothing says where its sections are."""
        assert added.debug is not None
        name = module_name(added.debug, path)
        if name is None:
            raise UserError(f"{path} is not linked and no kernel module: it has no addresses")
        if slide:
            raise UserError(f"{path} is a kernel module: the guest's kernel says where its sections are, no slide does")
        found = ModulePlacement(self._session, name, added.debug)
        found.check()
        return found

    def use(self, added: SymbolFile) -> None:
        """A file that has been read, by another session perhaps. It replaces one of the same path and process.

        A kernel's moves with the kernel, as soon as that is found.
        """
        for file in [file for file in self.files if (file.path, file.process) == (added.path, added.process)]:
            self._forget(file)
        self.files.append(added)
        self.changes += 1
        if not added.slide and _is_kernel(added.table):
            self._to_settle.append(added)
        self._session.symbols.add(added)

    def settle(self) -> None:
        """The guest's kernel has been found: its files are moved to where it is."""
        files, self._to_settle = self._to_settle, []
        for file in files:
            if (slide := self._kernel_slide(file.table)) != file.slide:
                file.move(slide)
                self.changes += 1

    def _running(self) -> int | None:
        task = self._session.system.running()
        return task.process if task is not None else None

    def _kernel_slide(self, table: SymbolTable) -> int:
        """What the guest's kernel was moved by, if the table is of one; else 0."""
        linked = table.find("_text") if _is_kernel(table) else None
        system = self._session.system.find() if linked is not None else None
        try:
            return system.kernel.symbol("_text") - linked if system is not None and linked is not None else 0
        except VmdbgError:
            return 0

    def of_process(self, process: int, address: int) -> Location | None:
        """The symbol of an address in a process that need not be the one that runs."""
        tables = (file.table for file in self.files if file.process == process)
        return next((found for table in tables if (found := table.nearest(address)) is not None), None)

    def remove(self, path: Path) -> bool:
        known = [file for file in self.files if file.path == path]
        for file in known:
            self._forget(file)
        return bool(known)

    def _forget(self, file: SymbolFile) -> None:
        self.files.remove(file)
        self.changes += 1
        if file in self._to_settle:
            self._to_settle.remove(file)
        self._session.symbols.remove(file)

    def line_at(self, address: int) -> LineRange | None:
        for file in self._files_at(address):
            found = file.lines.at(address)
            if found is not None:
                return found
        return None

    def span(self, address: int) -> tuple[int, int] | None:
        """The code of the source line that an address belongs to."""
        for file in self._files_at(address):
            found = file.lines.span(address)
            if found is not None:
                return found
        return None

    def is_line_start(self, address: int) -> bool:
        return any(file.lines.is_start(address) for file in self._files_at(address))

    def _files_at(self, address: int) -> list[SymbolFile]:
        """Files with a symbol there: line tables of others need not be read."""
        return [file for file in self.files if file.nearest(address) is not None]

    def debug_file_at(self, address: int) -> SymbolFile | None:
        """The file whose code is at an address."""
        return next((file for file in self._files_at(address) if file.debug is not None), None)

    @property
    def has_moving_files(self) -> bool:
        """Whether what is at an address depends on the instant: modules come and go, processes take turns."""
        return any(file.where is not None or file.process is not None for file in self.files)

    @property
    def has_debug_information(self) -> bool:
        return any(file.debug is not None and file.debug.has_units for file in self.files)

    def find_line(self, file: str, line: int) -> int | None:
        for known in self.files:
            found = known.lines.find(file, line)
            if found is not None:
                return found
        return None

    def copies_of_line(self, line: LineRange) -> list[int]:
        """Where code of a line begins, once for each function that has it: it may be inlined into many."""
        found: dict[int, int] = {}
        for file in self.files:
            for start in file.lines.starts_of(line.file, line.line):
                raw = file.placement.to_file(start)
                scopes = file.program.scopes(raw) if file.program is not None and raw is not None else ()
                found.setdefault(scopes[0].die.offset if scopes else -1, start)
        return sorted(found.values())

    def add_directory(self, path: Path) -> None:
        """Look for sources there too, first. Raises UserError."""
        if not path.is_dir():
            raise UserError(f"{path} is no directory")
        self.directories.insert(0, path)
        self._texts.clear()

    def text(self, file: str) -> list[str] | None:
        """The lines of a source file, None if it is not found; never what no symbol file names.

        The names come out of symbol files, which may be a guest's own: who may not reach the host is shown none.
        """
        if Effect.HOST not in self._session.allowed:
            return None
        if file not in self._texts:
            self._texts[file] = self._read(file)
        return self._texts[file]

    def _read(self, file: str) -> list[str] | None:
        places = [Path(file)] if file.startswith("/") else [directory / file for directory in self.directories]
        places += [known.path.parent / Path(file).name for known in self.files]
        for place in places:
            try:
                return _lines(place)
            except (OSError, ValueError):
                continue
        return None


def _is_kernel(table: SymbolTable) -> bool:
    return table.find("start_kernel") is not None


def _lines(path: Path) -> list[str]:
    """Raises OSError for what is no file of text: a device, a pipe, or too much."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST_SOURCE:
            raise OSError(f"{path} is no source file")
        return file.read(LONGEST_SOURCE).decode("utf-8", "replace").splitlines()
