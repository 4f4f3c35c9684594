"""Stopping where a Linux kernel begins to report an oops, a panic or whatever else went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.points import Condition, Point
from vmdbg.document.document import Style, Text, text
from vmdbg.errors import VmdbgError
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.session.kernel_watch import KernelWatch
from vmdbg.session.linux import find_linux, need_linux
from vmdbg.session.view import View
from vmdbg.x86.exceptions import PAGE_FAULT

if TYPE_CHECKING:
    from vmdbg.os.linux.oops import Oops, ReportPoint

OWNER = "oops"
"""With the session's, the owner of the breakpoints."""
UNASKED = frozenset(ReportKind) - {ReportKind.WARNING}
"""What who has a prompt gets without asking: kernels warn of what they live on with."""
PAGE_FAULT_MESSAGE = "Oops"
"""All that is said of one; other kinds of page fault have words of their own."""


class OopsWatch:
    """Breakpoints where the kernel reports that something went wrong, set as soon as it is known where that is."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.kinds: frozenset[ReportKind] = frozenset()
        """What is wanted; nothing: it is off."""
        self.places: tuple[str, ...] = ()
        self._owner = f"{OWNER} {view.owner}"
        self._watch = KernelWatch(view.debugger, self._set)

    @property
    def wanted(self) -> bool:
        return bool(self.kinds)

    def start(self, kinds: frozenset[ReportKind] = UNASKED) -> None:
        """Also for these. Raises nothing where no kernel is known yet."""
        was_wanted, self.kinds = self.wanted, self.kinds | kinds
        if not was_wanted:
            self._watch.start()

    def stop(self, kinds: frozenset[ReportKind] = frozenset(ReportKind)) -> None:
        """No longer for these."""
        if self.wanted:
            self.kinds -= kinds
        if not self.kinds:
            self._watch.stop()
            self._view.debugger.points.remove_owned(self._owner)
            self.places = ()

    def arm(self) -> None:
        """Set the breakpoints if the kernel is known by now."""
        self._watch.look()

    def _set(self) -> bool:
        try:
            linux = find_linux(self._view.system)
            found = linux.report_points if linux is not None else ()
        except VmdbgError:
            return False
        for point in found:
            self._view.debugger.points.add_breakpoint(
                point.address,
                owner=self._owner,
                condition=self._condition(point),
                text=point.road.value,
                hidden=True,
            )
        self.places = tuple(point.road.value for point in found)
        return bool(found)

    def _condition(self, point: ReportPoint) -> Condition:
        def is_wanted(guest: Guest) -> bool:
            read = guest.linear().read_prefix
            return point.kind(guest.engine.read_register, read) in self.kinds

        return is_wanted

    def __str__(self) -> str:
        where = f"at {', '.join(self.places)}" if self.places else "as soon as a Linux kernel is known"
        everything = len(self.kinds) == len(ReportKind)
        what = "whatever the kernel reports" if everything else ", ".join(sorted(kind.value for kind in self.kinds))
        return f"{what}: {where}"


def is_oops_point(point: Point) -> bool:
    return point.owner.startswith(f"{OWNER} ")


def oops_headline(found: Oops) -> Text:
    """`kernel panic: ..., in sh (82)`, or `kernel oops: page fault at vfs_write+0x21, in sh (82)`."""
    message = found.message
    if found.kind is ReportKind.OOPS:
        frame = found.backtrace.frames[0]
        what = "page fault" if found.vector == PAGE_FAULT and message == PAGE_FAULT_MESSAGE else message
        message = f"{what} at {frame.location or hex(frame.pc)}"
    return text(f"kernel {found.kind.value}: {message}, in {found.task} ({found.pid})", Style.BAD)


def oops_here(view: View) -> Text | None:
    """What the kernel is about to report where the guest stands; None where that cannot be told."""
    try:
        found = need_linux(view.system).oops()
    except VmdbgError:
        return None
    return oops_headline(found) if found is not None else None
