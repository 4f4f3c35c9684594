"""Stopping where processes of a Linux guest make system calls, by name."""

from __future__ import annotations

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.points import Point
from vmdbg.document.document import Style, Text, text
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.linux import need_linux
from vmdbg.session.registry import did_you_mean
from vmdbg.session.view import View

OWNER = "system calls"
"""With the session's, the owner of the breakpoint."""
NUMBER = 0xFFFF_FFFF


class SyscallWatch:
    """A breakpoint where the kernel takes 64-bit system calls, with the caller's registers."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._owner = f"{OWNER} {view.owner}"
        self.numbers: frozenset[int] | None = None
        """What is wanted; empty: all; None: it is off."""
        self._names: dict[int, str] = {}

    def start(self, words: list[str]) -> None:
        """Also for these names or numbers; all without. Raises UserError where the kernel is not known."""
        numbers = self._find(words)
        known = self.numbers
        self.numbers = frozenset() if not numbers or known == frozenset() else (known or frozenset()) | numbers
        self._set()

    def stop(self, words: list[str]) -> None:
        """No longer for these; for none without. Raises UserError."""
        numbers = self._find(words) if words else frozenset()
        left = (self.numbers or frozenset()) - numbers
        self.numbers = left if words and left else None
        self._set()

    def leave(self) -> None:
        """The front end goes."""
        self._view.debugger.points.remove_owned(self._owner)

    def _find(self, words: list[str]) -> frozenset[int]:
        known = {call.name: call.number for call in need_linux(self._view.system).system_calls.all()}
        found = set()
        for word in words:
            number = int(word, 0) if word[:1].isdigit() and word.isalnum() else known.get(word)
            if number is None:
                raise UserError(f"{word!r} is no system call{did_you_mean(word, known)}")
            found.add(number)
        self._names |= {number: name for name, number in known.items()}
        return frozenset(found)

    def _set(self) -> None:
        points = self._view.debugger.points
        points.remove_owned(self._owner)
        if self.numbers is not None:
            entry = need_linux(self._view.system).system_call_points[0]
            points.add_breakpoint(entry, owner=self._owner, condition=self._is_wanted, hidden=True)

    def _is_wanted(self, guest: Guest) -> bool:
        return not self.numbers or guest.engine.read_register("rax") & NUMBER in self.numbers

    def __str__(self) -> str:
        names = (self._names.get(number, str(number)) for number in self.numbers or ())
        return f"system calls: {', '.join(sorted(names)) or 'all'}"


def is_syscall_point(point: Point) -> bool:
    return point.owner.startswith(f"{OWNER} ")


def syscall_here(view: View) -> Text | None:
    """The call that is about to be made where the guest stands; None where that cannot be told."""
    try:
        event = need_linux(view.system).system_call_here()
    except VmdbgError:
        return None
    return text(f"caught {event}", Style.CURRENT) if event is not None else None
