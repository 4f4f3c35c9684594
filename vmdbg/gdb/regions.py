"""Which linear addresses are mapped, and how, out of the guest's page tables."""

from __future__ import annotations

from bisect import bisect_right

from gdbstub.stops import ThreadId
from gdbstub.target import RegionInfo
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.guest import Epoch
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.threads import looking_at
from vmdbg.units import CpuId
from vmdbg.x86.mappings import Mapping, regions
from vmdbg.x86.paging import PagingMode

MOST_TABLES = 1 << 15
"""What one question may cost: half a second. Tables that map themselves can be longer."""


class GuestRegions:
    """gdbstub's Regions port. The list is kept for as long as the guest stands."""

    def __init__(self, debugger: Debugger, address_bits: int) -> None:
        self._debugger = debugger
        self._top = 1 << address_bits
        self._known: tuple[tuple[Epoch, CpuId], list[Mapping]] | None = None

    def region(self, thread: ThreadId, address: int) -> RegionInfo:
        """The mapped range or the hole around `address`."""
        with looking_at(self._debugger, thread):
            return self._region(address)

    def _region(self, address: int) -> RegionInfo:
        mapped = self._mapped()
        index = bisect_right(mapped, address, key=lambda mapping: mapping.start)
        before = mapped[index - 1] if index else None
        if before is not None and address < before.end:
            paged = self._debugger.linear().paging.mode is not PagingMode.NONE
            return RegionInfo(before.start, before.size, _letters(before), _owner(before) if paged else "")
        start = before.end if before is not None else 0
        end = mapped[index].start if index < len(mapped) else self._top
        return RegionInfo(start, max(end, start + 1) - start)

    def _mapped(self) -> list[Mapping]:
        debugger = self._debugger
        seen = debugger.epoch, debugger.engine.selected
        if self._known is None or self._known[0] != seen:
            with refusals():
                paging = debugger.linear().paging
                found = list(regions(debugger.physical, paging, max_tables=MOST_TABLES))
            self._known = (seen, found)
        return self._known[1]


def _letters(mapping: Mapping) -> str:
    allowed = mapping.permissions
    return "r" + ("w" if allowed.writable else "") + ("x" if allowed.executable else "")


def _owner(mapping: Mapping) -> str:
    return "user" if mapping.permissions.user else "supervisor"
