"""How to leave a frame, by the call frame information of the session's symbol files."""

from __future__ import annotations

from collections.abc import Mapping

from vmdbg.debugger.guest import Guest
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
        frame = file.frame(self._read, registers, exact=is_exact) if file is not None else None
        if frame is None:
            return None
        try:
            found = frame.call_frame()
        except VmdbgError:
            return None
        return (found.registers, found.exact) if found is not None else ({}, False)

    def _read(self, address: int, size: int) -> bytes:
        return self._guest.linear().read(Linear(address), size)
