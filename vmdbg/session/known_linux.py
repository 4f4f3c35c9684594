"""The guest's Linux as questions about a whole history need it."""

from __future__ import annotations

from vmdbg.queries.linux.known import KnownLinux, known_linux
from vmdbg.queries.linux.scheduling import SWITCH, WAKE, WAKE_NEW
from vmdbg.queries.linux.slab import FUNCTIONS
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.linux import need_linux
from vmdbg.session.view import View


def linux_of(view: View) -> KnownLinux:
    """As the end of the history has it, where all of its names are told. Raises VmdbgError."""
    with elsewhen(view, view.debugger.timeline.end):
        return known_linux(need_linux(view.system), (SWITCH, WAKE, WAKE_NEW, *FUNCTIONS))
