"""Guest memory for clients: through the page tables of a CPU that stands, or by physical address."""

from __future__ import annotations

from collections.abc import Callable

from gdbstub.errors import MemoryAccessError
from gdbstub.stops import ThreadId
from gdbstub.target import MapRegion
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.architecture import Architecture
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.standing import Standing
from vmdbg.gdb.threads import looking_at
from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import UnmappedLinearError
from vmdbg.x86.memory_search import search_linear, search_physical
from vmdbg.x86.mode import EFER_LMA
from vmdbg.x86.physical_memory import UnmappedPhysicalError


class GuestLinearMemory:
    """gdbstub's Memory port over linear addresses, with search."""

    def __init__(self, debugger: Debugger, standing: Standing) -> None:
        self._debugger = debugger
        self._standing = standing
        self._alone = len(debugger.cpus) == 1

    def read(self, thread: ThreadId, address: int, length: int) -> bytes:
        self._standing.need()
        if self._alone:
            return self._read(address, length)
        with looking_at(self._debugger, thread):
            return self._read(address, length)

    def _read(self, address: int, length: int) -> bytes:
        self._refuse_wide(address)
        data = self._debugger.engine.read_linear(Linear(address), length)
        if len(data) == length:
            return data
        linear = self._debugger.linear()
        data = linear.read_prefix(Linear(address), length)
        if not data and length:
            try:
                linear.read(Linear(address), 1)
            except UnmappedLinearError as error:
                raise MemoryAccessError(address, error.reason) from error
        return data

    def _refuse_wide(self, address: int) -> None:
        """The CPU would cut such an address, and a debugger show what is somewhere else."""
        if address >> 32 and not self._debugger.engine.read_register("efer") & EFER_LMA:
            raise MemoryAccessError(address, "outside of long mode linear addresses have 32 bits")

    def write(self, thread: ThreadId, address: int, data: bytes) -> None:
        self._standing.need()
        with looking_at(self._debugger, thread), refusals(), self._standing.own_doing():
            self._refuse_wide(address)
            try:
                self._debugger.write_linear(Linear(address), data)
            except UnmappedLinearError as error:
                raise MemoryAccessError(error.address, error.reason) from error

    def search(
        self, thread: ThreadId, start: int, length: int, pattern: bytes, check: Callable[[], None]
    ) -> int | None:
        """What is mapped, however large the range."""
        self._standing.need()
        with looking_at(self._debugger, thread), refusals():
            self._refuse_wide(start)
            paging = self._debugger.linear().paging
            found = search_linear(
                self._debugger.physical, paging, pattern, start, start + length, lambda _done: check()
            )
            return next(found, None)


class GuestPhysicalPort:
    """gdbstub's Memory port over physical addresses (QEMU's PhyMemMode)."""

    def __init__(self, debugger: Debugger, standing: Standing) -> None:
        self._debugger = debugger
        self._standing = standing

    def read(self, _thread: ThreadId, address: int, length: int) -> bytes:
        self._standing.need()
        memory = self._debugger.physical
        available = memory.extent(Physical(address))
        if available <= 0:
            raise MemoryAccessError(address, "neither RAM nor ROM answers at this physical address")
        return memory.read(Physical(address), min(length, available))

    def write(self, _thread: ThreadId, address: int, data: bytes) -> None:
        self._standing.need()
        with refusals(), self._standing.own_doing():
            try:
                self._debugger.write_physical(Physical(address), data)
            except UnmappedPhysicalError as error:
                raise MemoryAccessError(address, "no RAM at this physical address") from error


class GuestPhysicalSearch:
    """gdbstub's Search port over physical addresses. The RAM and ROM of a range, however large it is."""

    def __init__(self, debugger: Debugger, standing: Standing) -> None:
        self._debugger = debugger
        self._standing = standing

    def search(
        self, _thread: ThreadId, start: int, length: int, pattern: bytes, check: Callable[[], None]
    ) -> int | None:
        self._standing.need()
        end = start + length
        return next(search_physical(self._debugger.physical, pattern, start, end, lambda _done: check()), None)


class AddressSpace:
    """gdbstub's MemoryMap port: every address may be mapped some time, so gdb is to try them all."""

    def __init__(self, architecture: Architecture) -> None:
        self._half = 1 << architecture.address_bits - 1

    def regions(self) -> list[MapRegion]:
        return [MapRegion(0, self._half), MapRegion(self._half, self._half)]
