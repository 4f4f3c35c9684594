"""Symbol files of the session, and what they say of an address: names, lines, debug information."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmdbg.os.seam import Location
from vmdbg.session.moments import Moments
from vmdbg.session.source_texts import SourceTexts
from vmdbg.session.symbol_file import SymbolFile, read_symbol_file
from vmdbg.session.system import GuestSystem
from vmdbg.symbols.symbol_set import SymbolSet
from vmdbg.symbols.table import SymbolTable

if TYPE_CHECKING:
    from vmdbg.symbols.lines import LineRange


class Sources:
    """All symbol files, and where their sources are looked for."""

    def __init__(self, symbols: SymbolSet, system: GuestSystem, moments: Moments, *, may_read: bool) -> None:
        """`may_read`: whether this user may see files of the host, which source files are."""
        self._symbols = symbols
        self._system = system
        self._moments = moments
        self.texts = SourceTexts(may_read=may_read)
        self.files: list[SymbolFile] = []
        self._to_settle: list[SymbolFile] = []

    @property
    def changes(self) -> int:
        """Counts what was added, taken away or moved."""
        return self._moments.files

    def add(self, path: Path, slide: int | None = 0, process: int | None = None) -> SymbolFile:
        """Raises UserError. A file that is there already is read again. A slide of None: where the guest has it.

        That is known of its kernel, and of its modules, which need not be loaded yet.
        """
        added = read_symbol_file(path)
        if added.debug is not None:
            from vmdbg.session.file_places import moving_place

            added.where = moving_place(self._system, added.table, added.debug, path, slide, process)
        if added.where is None:
            added.move(self._kernel_slide(added.table) if slide is None else slide)
        added.process, added.running = process, self._running
        self.use(added)
        return added

    def use(self, added: SymbolFile) -> None:
        """A file that has been read, by another session perhaps. It replaces one of the same path and process.

        A kernel's moves with the kernel, as soon as that is found.
        """
        for file in [file for file in self.files if (file.path, file.process) == (added.path, added.process)]:
            self._forget(file)
        self.files.append(added)
        self._moments.files += 1
        if not added.slide and _is_kernel(added.table):
            self._to_settle.append(added)
        self._symbols.add(added)

    def settle(self) -> None:
        """The guest's kernel has been found: its files are moved to where it is."""
        files, self._to_settle = self._to_settle, []
        for file in files:
            if (slide := self._kernel_slide(file.table)) != file.slide:
                file.move(slide)
                self._moments.files += 1

    def _running(self) -> int | None:
        task = self._system.running()
        return task.process if task is not None else None

    def _kernel_slide(self, table: SymbolTable) -> int:
        """What the guest's kernel was moved by, if the table is of one; else 0."""
        linked = table.find("_text") if _is_kernel(table) else None
        system = self._system.find() if linked is not None else None
        found = system.symbols.find("_text") if system is not None else None
        return found - linked if found is not None and linked is not None else 0

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
        self._moments.files += 1
        if file in self._to_settle:
            self._to_settle.remove(file)
        self._symbols.remove(file)

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

    def find_line(self, file: str, line: int) -> LineRange | None:
        """The first code of the line, or of the next that has some in the same function; None where there is none."""
        for known in self.files:
            found = known.lines.find(file, line)
            if found is not None and not _begins_after(known, found.start, line):
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

    def text(self, file: str) -> list[str] | None:
        """The lines of a source file, None if it is not found; never what no symbol file names."""
        return self.texts.of(file, [known.path.parent for known in self.files])

    def path(self, file: str) -> Path | None:
        """Where that text is on this host, None if it is not found."""
        return self.texts.path(file, [known.path.parent for known in self.files])


def _begins_after(file: SymbolFile, address: int, line: int) -> bool:
    """Whether the code is the beginning of a function that is declared below the line, which is none of its."""
    raw = file.placement.to_file(address)
    return file.program is not None and raw is not None and file.program.begins_after(raw, line)


def _is_kernel(table: SymbolTable) -> bool:
    return table.find("start_kernel") is not None
