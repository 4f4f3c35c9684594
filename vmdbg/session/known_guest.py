"""The standing guest, and what is known of its code: by files of this host, and by its operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.registers import RegisterFile
from vmdbg.os.seam import Symbols
from vmdbg.session.moments import Moments
from vmdbg.session.sources import Sources
from vmdbg.session.symbol_file import guest_symbol_file
from vmdbg.session.symbol_frames import SymbolFrames
from vmdbg.session.system import GuestSystem
from vmdbg.symbols.symbol_set import SymbolSet

if TYPE_CHECKING:
    from vmdbg.x86.disassembly import Disassembler


class KnownGuest:
    """What needs no expression, no frame and no command. `may_read`: whether source files of the host may be shown."""

    def __init__(self, debugger: Debugger, *, may_read: bool) -> None:
        self.debugger = debugger
        self.registers = RegisterFile(debugger.cpu)
        self.moments = Moments(debugger)
        self.system = GuestSystem(debugger, self.moments)
        self.symbols = SymbolSet(guest=self._names)
        self.sources = Sources(self.symbols, self.system, self.moments, may_read=may_read)
        self.call_frames = SymbolFrames(debugger, self.sources)
        self.system.call_frames = self.call_frames
        if (kernel := guest_symbol_file(debugger.timeline.origin)) is not None:
            self.sources.use(kernel)

    def _names(self) -> Symbols | None:
        found = self.system.find()
        if found is None:
            return None
        self.sources.settle()
        return found.symbols

    @property
    def disassembler(self) -> Disassembler:
        """For the width that the CPU is in."""
        from vmdbg.x86.disassembly import disassembler

        return disassembler(self.registers.mode.width)

    def describe(self, address: int) -> str:
        """`symbol+offset` or nothing."""
        return self.symbols.describe(address)
