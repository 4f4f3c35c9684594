"""Locks of the events that races are told by, as people call them."""

from __future__ import annotations

from vmdbg.queries.races.events import Lock
from vmdbg.session.view import View
from vmdbg.units import Linear


def lock_name(view: View, lock: Lock) -> str:
    """Linux's are by linear address, words that nobody names by physical one."""
    match lock:
        case ("lock", int(linear)):
            return view.describe(linear) or f"{linear:#x}"
        case ("word", int(physical)):
            known = view.debugger.linear().translate(Linear(physical)) == physical and view.describe(physical)
            return known or f"phys:{physical:#x}"
    return str(lock)
