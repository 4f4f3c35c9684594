"""How to leave a frame, by the call frame information of the session's symbol files."""

from __future__ import annotations

from collections.abc import Mapping

from vmdbg.debugger.guest import Guest
from vmdbg.dwarf.frame import Frame
from vmdbg.dwarf.machine import Machine
from vmdbg.errors import VmdbgError
from vmdbg.session.sources import Sources
from vmdbg.units import Linear


class SymbolFrames:
    """vmdbg.os.seam.CallFrames of the session's symbol files."""

    def __init__(self, guest: Guest, sources: Sources) -> None:
        self._guest = guest
        self._sources = sources

    def caller(self, registers: Mapping[str, int], *, is_exact: bool) -> tuple[dict[str, int], bool] | None:
        pc = registers["rip"] - (0 if is_exact else 1)
        file = self._sources.debug_file_at(pc)
        if file is None or file.program is None:
            return None
        machine = Machine(self._read, registers, file.program.address_size)
        try:
            found = Frame(file.program, file.placement, machine, exact=is_exact).call_frame()
        except VmdbgError:
            return None
        return (found.registers, found.exact) if found is not None else ({}, False)

    def _read(self, address: int, size: int) -> bytes:
        return self._guest.linear().read(Linear(address), size)
