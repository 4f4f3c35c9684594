"""What the commands of this folder need: a guest that is known to run Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.session.linux import need_linux
from vmdbg.session.session import Session

if TYPE_CHECKING:
    from vmdbg.os.linux.operating_system import Linux


def linux_here(session: Session) -> Linux:
    """Raises UserError, or what the guest's tables have wrong."""
    return need_linux(session.system)
