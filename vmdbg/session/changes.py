"""Changes that the user made to the guest, and their undoing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.expressions.place import Place
from vmdbg.session.view import View
from vmdbg.units import Linear, Physical


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, and how to take it back."""

    words: str
    undo: Callable[[], None]


class Changes:
    """The last change is undone first."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.made: list[Change] = []

    def write_register(self, name: str, value: int) -> int:
        """Returns the old value of the whole register. Raises UserError."""
        registers, debugger = self._view.registers, self._view.debugger
        whole, merged = registers.merged(name, value)
        before = debugger.engine.read_register(whole)
        debugger.write_register(whole, merged)
        words = f"{whole}: {before:#x} -> {merged:#x}"
        self.made.append(Change(words, lambda: debugger.write_register(whole, before)))
        return before

    def write_memory(self, place: Place, data: bytes) -> bytes:
        """Returns the old bytes. Raises UserError for memory that is not there."""
        before = self._read(place, len(data))
        self._write(place, data)
        kind = "physical " if place.is_physical else ""
        words = f"{kind}{place.address:#x}: {before[:16].hex(' ')} -> {data[:16].hex(' ')}"
        self.made.append(Change(words, lambda: self._write(place, before)))
        return before

    def _read(self, place: Place, size: int) -> bytes:
        debugger = self._view.debugger
        if place.is_physical:
            return debugger.physical.read(Physical(place.address), size)
        return debugger.linear().read(Linear(place.address), size)

    def _write(self, place: Place, data: bytes) -> None:
        debugger = self._view.debugger
        if place.is_physical:
            debugger.write_physical(Physical(place.address), data)
        else:
            debugger.write_linear(Linear(place.address), data)
