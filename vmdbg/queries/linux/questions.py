"""Questions about a guest that runs Linux."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from vmdbg.errors import UserError, VmdbgError
from vmdbg.queries.linux.faults import FaultQuery
from vmdbg.queries.linux.known import KnownLinux, Who
from vmdbg.queries.linux.scheduling import SwitchQuery, WakeQuery
from vmdbg.queries.linux.slab import ALLOCATED, FREED, SlabQuery
from vmdbg.queries.linux.system_calls import LinuxCallQuery
from vmdbg.queries.profile import EVERY, ProfileQuery
from vmdbg.queries.rows import FaultRow, LinuxCallRow, SampleRow, SlabRow, SwitchRow, WakeRow
from vmdbg.queries.scan import Query, Row


class LinuxQuestions(ABC):
    """Each raises UserError where the guest's Linux is not known. A process is named by its number or its name."""

    linux: Callable[[], KnownLinux] | None = None
    """Finds the kernel as the end of the history has it."""

    def linux_calls(
        self, calls: Iterable[str | int] = (), *, process: str = "", failed: bool = False
    ) -> list[LinuxCallRow]:
        """All system calls of Linux, or those of some names or numbers, or of a process or thread by name or number.

        `failed` for those that returned an error. Raises UserError for a name that is no call's.
        """
        known = self.known_linux()
        numbers = frozenset(_call_number(known, call) for call in calls)
        return self.run(LinuxCallQuery(known, numbers, Who.parse(process), failed))

    def page_faults(self, process: str = "") -> list[FaultRow]:
        """All page faults of Linux, or those of a process."""
        return self.run(FaultQuery(self.known_linux(), Who.parse(process)))

    def switches(self, process: str = "") -> list[SwitchRow]:
        """All switches from one task of Linux to another, or those from and to a process."""
        return self.run(SwitchQuery(self.known_linux(), Who.parse(process)))

    def wakeups(self, process: str = "") -> list[WakeRow]:
        """Who woke whom, or what concerns a process."""
        return self.run(WakeQuery(self.known_linux(), Who.parse(process)))

    def allocations(self, *, process: str = "", size: int | None = None, cache: str = "") -> list[SlabRow]:
        """What Linux allocated with kmalloc() and kmem_cache_alloc(): of a size (asked for, or of the cache's objects),
        out of a cache, by a process."""
        return self._slab(frozenset({ALLOCATED}), process, size, cache)

    def frees(self, *, process: str = "", size: int | None = None, cache: str = "") -> list[SlabRow]:
        """What Linux freed, asked for as allocations() are; `size` is that of the cache's objects."""
        return self._slab(frozenset({FREED}), process, size, cache)

    def object_history(self, address: int) -> list[SlabRow]:
        """Allocations and frees of the objects that were, one after another, where `address` is."""
        return self.run(SlabQuery(self.known_linux(), around=address))

    def _slab(self, kinds: frozenset[str], process: str, size: int | None, cache: str) -> list[SlabRow]:
        known = self.known_linux()
        names = sorted({one.name for one in known.slab.caches.values()})
        if cache and cache not in names:
            raise UserError(f"there is no cache {cache!r}{_close(cache, names)}: `slab` lists them")
        return self.run(SlabQuery(known, kinds, Who.parse(process), size, cache))

    def profile(self, every: int = EVERY, *, process: str = "") -> list[SampleRow]:
        """Who is found where, at every multiple of `every` ticks; the most frequent first."""
        if every < 1:
            raise UserError(f"a profile looks every so many ticks, from 1 on, not {every}")
        try:
            known = self.known_linux()
        except VmdbgError:
            if process:
                raise
            known = None
        return self.run(ProfileQuery(every, known, Who.parse(process)))

    def known_linux(self) -> KnownLinux:
        """The guest's kernel. Raises UserError if it is no Linux, or not up at the history's end."""
        if self.linux is None:
            raise UserError("nobody knows a Linux in this guest")
        return self.linux()

    @abstractmethod
    def run(self, query: Query) -> list[Row]:
        """The rows of any query over the whole history."""


def _call_number(known: KnownLinux, call: str | int) -> int:
    if isinstance(call, int):
        return call
    if call.isdigit():
        return int(call)
    found = next((one.number for one in known.calls.values() if one.name == call), None)
    if found is None:
        names = [one.name for one in known.calls.values()]
        raise UserError(f"there is no system call {call!r}{_close(call, names)}")
    return found


def _close(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(found)}?" if found else ""
