"""The guest's Linux as questions about a whole history need it."""

from __future__ import annotations

from collections.abc import Iterable

from vmdbg.errors import VmdbgError
from vmdbg.queries.linux.known import KnownLinux, known_linux
from vmdbg.queries.linux.scheduling import SWITCH, WAKE, WAKE_NEW
from vmdbg.queries.linux.slab import FUNCTIONS
from vmdbg.queries.linux.who import WhoRuns
from vmdbg.queries.races.linux_rules import FUNCTIONS as SYNCHRONIZING
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.interrupt_names import InterruptNames, interrupt_names
from vmdbg.session.linux import find_linux, need_linux
from vmdbg.session.view import View


def who_of(view: View) -> WhoRuns | None:
    """How it is told who runs in the Linux that the end of the history has; None where there is none yet."""
    with elsewhen(view, view.debugger.timeline.end):
        try:
            linux = find_linux(view.system)
            return WhoRuns(linux.current_locator(), linux.bio_locator()) if linux is not None else None
        except VmdbgError:
            return None


def interrupts_of(view: View, functions: Iterable[int] = ()) -> InterruptNames:
    """What interrupts are called, and these functions, as the end of the history has them."""
    with elsewhen(view, view.debugger.timeline.end):
        return InterruptNames(interrupt_names(view), {one: view.describe(one) for one in functions}.__getitem__)


def linux_of(view: View) -> KnownLinux:
    """As the end of the history has it, where all of its names are told. Raises VmdbgError."""
    with elsewhen(view, view.debugger.timeline.end):
        return known_linux(need_linux(view.system), (SWITCH, WAKE, WAKE_NEW, *FUNCTIONS, *SYNCHRONIZING))
