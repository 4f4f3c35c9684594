"""Where the guest has a kernel module that a file on this host is of, now: loaded or not, before or after its init."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.linux import find_linux
from vmdbg.session.system import GuestSystem
from vmdbg.symbols.kernel_module import BUILD_ID, build_id_note
from vmdbg.symbols.placement import NOWHERE, Placement, section_placement

if TYPE_CHECKING:
    from vmdbg.dwarf.debug_file import DebugFile
    from vmdbg.os.linux.operating_system import Linux


class ModulePlacement:
    """Asked again at every instant, for the history has instants at which the module is elsewhere or nowhere."""

    def __init__(self, system: GuestSystem, name: str, file: DebugFile) -> None:
        self.name = name
        self._system = system
        self._file = file
        self._note = build_id_note(file)
        self._seen: Linux | None = None
        self._placement = NOWHERE

    def __call__(self) -> Placement:
        linux = find_linux(self._system)
        if linux is None:
            return NOWHERE
        if linux is not self._seen:
            self._seen = linux
            found = self._place(linux)
            if found != self._placement:
                self._placement = found
        return self._placement

    def anywhere(self) -> Placement:
        """Modules are in every process."""
        return self()

    def _place(self, linux: Linux) -> Placement:
        try:
            sections = linux.module_sections(self.name)
            if not sections or self._is_other_build(linux, sections):
                return NOWHERE
        except VmdbgError:
            return NOWHERE
        return section_placement(self._file.sections, sections)

    def _is_other_build(self, linux: Linux, sections: Mapping[str, int]) -> bool:
        """Whether the guest's module has a build-id, and another."""
        where = sections.get(BUILD_ID)
        return bool(self._note) and where is not None and linux.kernel.read(where, len(self._note)) != self._note

    def check(self) -> None:
        """Raises UserError if the module is loaded now and the file is none of its build."""
        linux = find_linux(self._system)
        try:
            sections = linux.module_sections(self.name) if linux is not None else {}
            if linux is None or not self._is_other_build(linux, sections):
                return
        except VmdbgError:
            return
        raise UserError(f"the guest's module {self.name} is of another build than the file: their build-ids differ")
