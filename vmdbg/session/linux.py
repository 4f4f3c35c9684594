"""The guest's operating system where that is Linux, for what is known of Linux alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.errors import UserError
from vmdbg.session.system import GuestSystem

if TYPE_CHECKING:
    from vmdbg.os.linux.operating_system import Linux


def find_linux(system: GuestSystem) -> Linux | None:
    """None where none is known. What knows Linux is loaded once there is something to know."""
    found = system.find()
    if found is None:
        return None
    from vmdbg.os.linux.operating_system import Linux

    return found if isinstance(found, Linux) else None


def need_linux(system: GuestSystem) -> Linux:
    """Raises UserError, or what the guest's tables have wrong."""
    found = find_linux(system)
    if found is None:
        raise UserError(f"this is known of Linux only; the guest runs {system.need().name}")
    return found
