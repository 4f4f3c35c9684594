"""Symbol files of the session, their source lines, and the text of sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmdbg.errors import UserError
from vmdbg.symbols.line_file import LineFile
from vmdbg.symbols.lines import LineRange, LineTable
from vmdbg.symbols.load import load_symbols
from vmdbg.symbols.table import SymbolTable

if TYPE_CHECKING:
    from vmdbg.commands.session import Session


@dataclass(slots=True)
class SymbolFile:
    """One file given by the user. Its lines are read when first asked for."""

    path: Path
    slide: int
    table: SymbolTable
    _lines: LineFile | LineTable | None = None

    @property
    def lines(self) -> LineFile | LineTable:
        if self._lines is None:
            self._lines = LineFile(self.path, self.slide) if self.table.is_elf else LineTable([])
        return self._lines


class Sources:
    """All symbol files, and where their sources are looked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.files: list[SymbolFile] = []
        self.directories: list[Path] = [Path()]
        self._texts: dict[str, list[str] | None] = {}

    def add(self, path: Path, slide: int = 0) -> SymbolFile:
        """Raises UserError. A file that is there already is read again."""
        added = SymbolFile(path, slide, load_symbols(path, slide))
        self.remove(path)
        self.files.append(added)
        self._session.symbols.add(added.table)
        return added

    def remove(self, path: Path) -> bool:
        known = [file for file in self.files if file.path == path]
        for file in known:
            self.files.remove(file)
            self._session.symbols.remove(file.table)
        return bool(known)

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
        return [file for file in self.files if file.table.nearest(address) is not None]

    def find_line(self, file: str, line: int) -> int | None:
        for known in self.files:
            found = known.lines.find(file, line)
            if found is not None:
                return found
        return None

    def add_directory(self, path: Path) -> None:
        """Look for sources there too, first. Raises UserError."""
        if not path.is_dir():
            raise UserError(f"{path} is no directory")
        self.directories.insert(0, path)
        self._texts.clear()

    def text(self, file: str) -> list[str] | None:
        """The lines of a source file, None if it is not found; never what no symbol file names."""
        if file not in self._texts:
            self._texts[file] = self._read(file)
        return self._texts[file]

    def _read(self, file: str) -> list[str] | None:
        places = [Path(file)] if file.startswith("/") else [directory / file for directory in self.directories]
        places += [known.path.parent / Path(file).name for known in self.files]
        for place in places:
            try:
                return place.read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
        return None
