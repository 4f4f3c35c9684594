"""Source files: as debug information names them, and where this host, or the client's, has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from os.path import isfile
from pathlib import Path

from dapstub import requests, values
from dapstub.errors import TargetError
from vmdbg.dap.listings import Listings
from vmdbg.session.session import Session
from vmdbg.symbols.lines import LineRange


@dataclass(frozen=True, slots=True)
class Place:
    """A line that has code. `source`: None where nobody has the file; `code`: None in assembly, where it is one
    instruction.
    """

    address: int
    source: values.SourceFile | None
    line: int
    code: LineRange | None = None


class SourceFiles:
    """`mapping`: beginnings of paths in debug information, and what stands in their place on the client's side."""

    def __init__(self, session: Session, mapping: Mapping[str, str]) -> None:
        self._session = session
        self._listings = Listings(session)
        self._mapping = dict(mapping)
        self._learned: dict[str, str] = {}
        """As `mapping`, from files that the client has set breakpoints in: others of the same tree are found by it."""

    def shown(self, file: str) -> values.SourceFile | None:
        """None where nobody has the file."""
        if not file:
            return None
        for known, theirs in self._mapping.items():
            if file.startswith(known):
                return values.SourceFile(Path(file).name, path=theirs + file[len(known) :])
        found = self._session.sources.path(file) or self._by_what_was_learned(file)
        return values.SourceFile(found.name, path=str(found)) if found is not None else None

    def _by_what_was_learned(self, file: str) -> Path | None:
        for known, theirs in self._learned.items():
            there = Path(theirs + file[len(known) :])
            if file.startswith(known) and file.startswith("/") == known.startswith("/") and isfile(there):
                return there
        return None

    def names(self, source: requests.SourceName) -> list[str]:
        """What debug information may call the client's file, the likeliest first."""
        path = source.path or source.name
        if not path:
            raise TargetError("a source without a path")
        names = [known + path[len(theirs) :] for known, theirs in self._mapping.items() if path.startswith(theirs)]
        parts = [part for part in Path(path).parts if part != "/"]
        return list(dict.fromkeys([*names, path, *("/".join(parts[start:]) for start in range(1, len(parts)))]))

    def is_same(self, file: str, source: requests.SourceName) -> bool:
        """Whether debug information's file is the client's: the same on this host or, where that has only the client's,
        one whose path ends as that does, by more than its name.
        """
        if not source.path:
            return True
        shown = self.shown(file)
        if shown is not None and shown.path is not None:
            return Path(shown.path) == Path(source.path) or _is_one_file(Path(shown.path), Path(source.path))
        tail = _common_end(file, source.path)
        if tail < min(2, len(Path(file).parts)):
            return False
        size = len("/".join(Path(file).parts[-tail:]))
        if isfile(source.path):
            self._learned[file[:-size]] = source.path[:-size]
        return True

    def listed(self, address: int) -> tuple[values.SourceFile, int] | None:
        """In assembly: a source by reference, and the line. None where there is no code."""
        found = self._listings.of(address)
        return (found[0].file, found[1]) if found is not None else None

    def line(self, source: requests.SourceName, line: int) -> Place | None:
        """The first line from `line` on that has code. Raises TargetError for a listing that is not there any more."""
        if source.reference:
            listing = self._listings.get(source.reference)
            start, number = listing.at(line)
            return Place(start, listing.file, number)
        for name in self.names(source):
            found = self._session.sources.find_line(name, line)
            if found is not None and self.is_same(found.file, source):
                return Place(found.start, self.shown(found.file), found.line, found)
        return None

    def text(self, source: requests.SourceName) -> str:
        """Raises TargetError."""
        if source.reference:
            return self._listings.text(self._listings.get(source.reference))
        for name in self.names(source):
            lines = self._session.sources.text(name)
            if lines is not None:
                return "\n".join(lines) + "\n"
        raise TargetError(f"the text of {source.path or source.name} is not found on this host")


def _common_end(one: str, other: str) -> int:
    """How many parts at the end of two paths are the same."""
    pairs = zip(reversed(Path(one).parts), reversed(Path(other).parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != "/", pairs))


def _is_one_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
