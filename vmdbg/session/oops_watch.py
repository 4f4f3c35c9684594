"""Stopping where a Linux kernel begins to report an oops or a panic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.document.document import Style, Text, text
from vmdbg.errors import VmdbgError
from vmdbg.x86.exceptions import PAGE_FAULT

if TYPE_CHECKING:
    from vmdbg.debugger.points import Point
    from vmdbg.os.linux.oops import Oops
    from vmdbg.session.session import Session

OWNER = "oops"
"""With the session's, the owner of the breakpoints."""
KERNEL_HALF = 1 << 63
MOST_SLICES = 256


class OopsWatch:
    """Breakpoints where the kernel reports oopses and panics, set as soon as it is known where that is.

    Until then the guest is looked at between slices while it is in its kernel, ever less often if that is no Linux.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.wanted = False
        self.places: tuple[str, ...] = ()
        self._owner = f"{OWNER} {session.owner}"
        self._pause = self._waited = 0

    def start(self) -> None:
        """Raises nothing where no kernel is known yet."""
        if self.wanted:
            return
        self.wanted = True
        self._pause = self._waited = 1
        self._session.debugger.slice_listeners.append(self._between_slices)
        self.arm()

    def stop(self) -> None:
        if self.wanted:
            self.wanted = False
            self._look_no_longer()
            self._session.debugger.points.remove_owned(self._owner)
            self.places = ()

    def _look_no_longer(self) -> None:
        if self._between_slices in self._session.debugger.slice_listeners:
            self._session.debugger.slice_listeners.remove(self._between_slices)

    def arm(self) -> None:
        """Set the breakpoints if the kernel is known by now."""
        if not self.wanted or self.places:
            return
        try:
            linux = self._session.system.find()
            found = linux.oops_points if linux is not None else {}
        except VmdbgError:
            return
        for name, address in found.items():
            self._session.debugger.points.add_breakpoint(address, owner=self._owner, text=name, hidden=True)
        self.places = tuple(found)
        if self.places:
            self._look_no_longer()

    def _between_slices(self) -> None:
        if not self._session.registers.mode.is_long or self._session.debugger.pc < KERNEL_HALF:
            return
        self._waited -= 1
        if self._waited <= 0:
            self._pause = self._waited = min(2 * self._pause, MOST_SLICES)
            self.arm()

    def __str__(self) -> str:
        where = f"at {', '.join(self.places)}" if self.places else "as soon as a Linux kernel is known"
        return f"oops and panic of the kernel: {where}"


def is_oops_point(point: Point) -> bool:
    return point.owner.startswith(f"{OWNER} ")


def oops_headline(found: Oops) -> Text:
    """`kernel panic: ..., in sh (82)`, or `kernel oops: page fault at vfs_write+0x21, in sh (82)`."""
    words = f"panic: {found.message}"
    if not found.is_panic:
        message = "page fault" if found.vector == PAGE_FAULT else found.message
        frame = found.backtrace.frames[0]
        words = f"oops: {message} at {frame.location or hex(frame.pc)}"
    return text(f"kernel {words}, in {found.task} ({found.pid})", Style.BAD)


def oops_here(session: Session) -> Text | None:
    """What the kernel is about to report where the guest stands; None where that cannot be told."""
    try:
        found = session.system.need().oops()
    except VmdbgError:
        return None
    return oops_headline(found) if found is not None else None
