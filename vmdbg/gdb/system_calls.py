"""gdb's `catch syscall`: the calls of a Linux guest's programs, by number."""

from __future__ import annotations

from collections.abc import Callable

from gdbstub import stops as rsp
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Breakpoint
from vmdbg.errors import VmdbgError
from vmdbg.gdb.errors import refusals
from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.linux.syscall_points import Returned

NOT_A_CALL = -1
"""What orig_rax holds where no call is made (struct pt_regs of the kernel)."""
WAITING = "no Linux (64-bit) is known in the guest yet: its system calls are caught once it runs\n"
_NUMBER = 0xFFFFFFFF
"""The kernel takes EAX."""


class GuestSystemCalls:
    """gdbstub's SystemCalls port: breakpoints where the kernel is entered and left."""

    def __init__(
        self, debugger: Debugger, find: Callable[[], Linux | None], owner: str, write: Callable[[str], None]
    ) -> None:
        """`find`: the Linux that runs in the guest, None if none is known. `write` shows text to the client's user."""
        self._debugger = debugger
        self._find = find
        self._owner = owner
        self._write = write
        self._numbers: frozenset[int] = frozenset()
        self._points: list[Breakpoint] = []
        self._told = False

    def catch(self, numbers: frozenset[int] | None) -> None:
        """Where no Linux is known yet, its entries are not either: they are looked for as the guest runs."""
        self._forget()
        if numbers is None:
            return
        self._numbers = numbers
        linux = self._find()
        if linux is not None:
            self._insert(linux)
        else:
            self._told = False
            self._debugger.slice_listeners.append(self._look)

    def _look(self) -> None:
        """Between two slices. A kernel sets itself up for many of them before the first program makes a call."""
        linux = self._find()
        if linux is not None and self._debugger.engine.read_register("lstar"):
            self._debugger.slice_listeners.remove(self._look)
            self._insert(linux)
        elif not self._told:
            self._told = True
            self._write(WAITING)

    def _insert(self, linux: Linux) -> None:
        with refusals():
            for place in linux.system_call_points:
                point = self._debugger.points.add_breakpoint(
                    place, owner=self._owner, text="system calls", condition=lambda _: self.here() is not None
                )
                self._points.append(point)

    def _forget(self) -> None:
        for point in self._points:
            self._debugger.points.remove(point)
        self._points.clear()
        if self._look in self._debugger.slice_listeners:
            self._debugger.slice_listeners.remove(self._look)

    def here(self) -> rsp.SystemCall | None:
        """The caught call that is made, or returns, at the instruction that the CPU is at."""
        found = self._call()
        if found is None or (self._numbers and found.number not in self._numbers):
            return None
        return found

    def original_rax(self) -> int:
        """The number of the call that is made or returns here, NOT_A_CALL elsewhere."""
        found = self._call()
        return found.number if found is not None else NOT_A_CALL

    def _call(self) -> rsp.SystemCall | None:
        linux = self._find()
        if linux is None:
            return None
        engine = self._debugger.engine
        if self._debugger.pc == engine.read_register("lstar"):
            return rsp.SystemCall(engine.read_register("rax") & _NUMBER)
        try:
            event = linux.system_call_here()
        except VmdbgError:
            return None
        return rsp.SystemCall(event.number, returning=True) if isinstance(event, Returned) else None

    def is_point(self, point: object) -> bool:
        """Whether a breakpoint is one of these."""
        return bool(self._points) and any(point is mine for mine in self._points)
