"""Breakpoints at names that are not there yet: in modules to be loaded, and in programs to be started."""

from __future__ import annotations

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Breakpoint, Condition, Point
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.kernel_watch import KernelWatch
from vmdbg.session.linux import find_linux
from vmdbg.session.view import View

OWNER = "pending"
"""With the session's, the owner of the breakpoints by which code is seen to come in."""


class PendingPoints:
    """Each name is looked up again whenever the kernel has loaded a module, or mapped a program, before that runs.

    The guest is stopped there as by any breakpoint, and looked at: it cannot tell.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._points: list[Breakpoint] = []
        self._owner = f"{OWNER} {view.owner}"
        self._watch = KernelWatch(view.debugger, self._arm)
        self._armed = False

    def add(self, place: str, condition: Condition | None, text: str, *, temporary: bool) -> Breakpoint:
        """For what code_place() does not know yet."""
        points = self._view.debugger.points
        point = points.add_pending(place, owner=self._view.owner, condition=condition, text=text, temporary=temporary)
        self._points.append(point)
        if not self._armed:
            self._watch.start()
        return point

    def look(self) -> None:
        """The guest has stopped: its kernel may be known now."""
        self._watch.look()

    def stop(self) -> None:
        self._watch.stop()
        self._view.debugger.points.remove_owned(self._owner)
        self._armed = False

    def _arm(self) -> bool:
        """The kernel's own names may be known by now; for others, stop where code comes in."""
        try:
            linux = find_linux(self._view.system)
            found = linux.load_points if linux is not None else ()
        except VmdbgError:
            return False
        for address in found:
            self._view.debugger.points.add_breakpoint(address, owner=self._owner, action=self._resolve, hidden=True)
        self._armed = bool(found)
        if self._armed:
            self._resolve(self._view.debugger)
        return self._armed

    def _resolve(self, debugger: Debugger) -> None:
        self._points = [point for point in self._points if point.number in debugger.points.breakpoints]
        for point in self._points:
            try:
                place = self._view.code_place(point.waits_for)
            except UserError:
                continue
            debugger.points.settle(point, place.address)


def is_loading_point(point: Point) -> bool:
    return point.owner.startswith(f"{OWNER} ")
