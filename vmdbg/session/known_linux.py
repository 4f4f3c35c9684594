"""The guest's Linux as questions about a whole history need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.queries.linux.known import KnownLinux, known_linux
from vmdbg.queries.linux.scheduling import SWITCH, WAKE, WAKE_NEW
from vmdbg.queries.linux.slab import FUNCTIONS
from vmdbg.session.elsewhen import elsewhen

if TYPE_CHECKING:
    from vmdbg.session.session import Session


def linux_of(session: Session) -> KnownLinux:
    """As the end of the history has it, where all of its names are told. Raises VmdbgError."""
    with elsewhen(session, session.debugger.timeline.end):
        return known_linux(session.system.need(), (SWITCH, WAKE, WAKE_NEW, *FUNCTIONS))
