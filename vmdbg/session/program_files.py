"""Where the processes of the guest have a program that a file on this host is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from elftools.elf.sections import NoteSection

from vmdbg.dwarf.debug_file import DAMAGE, DebugFile
from vmdbg.errors import VmdbgError
from vmdbg.session.linux import find_linux
from vmdbg.session.system import GuestSystem
from vmdbg.symbols.placement import NOWHERE, Placement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmdbg.os.linux.operating_system import Linux
    from vmdbg.os.linux.user_programs import UserProgram
    from vmdbg.symbols.table import SymbolTable

USER_END = 1 << 63


def is_program(table: SymbolTable) -> bool:
    """Whether a linked file could be of user space: nothing of it is in the kernel's half."""
    return table.is_elf and all(symbol.address < USER_END for symbol in table)


def build_id(file: DebugFile) -> str:
    """In hexadecimal; "" for a file that has none."""
    try:
        for section in file.elf.iter_sections():
            if isinstance(section, NoteSection):
                for note in section.iter_notes():
                    if note["n_type"] == "NT_GNU_BUILD_ID":
                        return str(note["n_desc"])
    except DAMAGE:
        pass
    return ""


def is_placed_when_loaded(file: DebugFile) -> bool:
    """Whether it is position-independent: the addresses in it, from 0 on, are nobody's until somebody has loaded it."""
    try:
        loaded = [one["p_vaddr"] for one in file.elf.iter_segments("PT_LOAD")]
        return bool(file.elf["e_type"] == "ET_DYN") and bool(loaded) and min(loaded) == 0
    except DAMAGE:
        return False


def program_of(path: Path, identity: str, known: Iterable[UserProgram]) -> UserProgram | None:
    """Which of these the file is: by build-id; by name if one side has none."""
    known = tuple(known)
    for one in known:
        if identity and one.build_id == identity:
            return one
    for one in known:
        if Path(one.path).name == path.name and not (identity and one.build_id):
            return one
    return None


class ProgramPlacement:
    """In the process that runs now. Without a known Linux the file is where it was linked for, whoever runs.

    One that is position-independent is nowhere then: its names are to wait, not to be taken for low addresses.
    """

    def __init__(self, system: GuestSystem, path: Path, file: DebugFile) -> None:
        self._system = system
        self._path = path
        self._identity = build_id(file)
        self._seen: Linux | None = None
        self._unknown = NOWHERE if is_placed_when_loaded(file) else Placement()
        """Where it is while no Linux is known."""
        self._placement = self._unknown
        self._anywhere: Placement | None = None

    def __call__(self) -> Placement:
        linux = find_linux(self._system)
        if linux is not self._seen:
            self._seen, self._anywhere = linux, None
            found = self._unknown if linux is None else self._in(linux, None)
            if found != self._placement:
                self._placement = found
        return self._placement

    def anywhere(self) -> Placement:
        """In the process that runs, else in the first that has it: for looking up names."""
        placement, linux = self(), self._seen
        if linux is None or placement is not NOWHERE:
            return placement
        if self._anywhere is None:
            self._anywhere = self._first(linux)
        return self._anywhere

    def _first(self, linux: Linux) -> Placement:
        try:
            pids = [task.pid for task in linux.tasks() if not task.is_kernel and task.pid == task.process]
        except VmdbgError:
            return NOWHERE
        found = (self._in(linux, pid) for pid in pids)
        return next((placement for placement in found if placement is not NOWHERE), NOWHERE)

    def _in(self, linux: Linux, pid: int | None) -> Placement:
        try:
            programs = linux.user_programs(linux.current().pid if pid is None else pid)
        except VmdbgError:
            return NOWHERE
        found = program_of(self._path, self._identity, programs)
        return NOWHERE if found is None else Placement(found.slide)
