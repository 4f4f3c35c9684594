"""A device for tests: a terabyte of which a guest reads and writes bytes through ports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import Pages, Rows

PLACE, BYTE = 0, 4
SIZE = 1 << 40


@dataclass(frozen=True, slots=True)
class NotebookOptions:
    port: int = 0x2D0


@dataclass(slots=True)
class NotebookState:
    place: int = 0


class Notebook:
    """Dword PLACE, in units of 256 bytes; BYTE is the one there."""

    title = "notebook"
    State: ClassVar[type[NotebookState]] = NotebookState

    def __init__(self, name: str, pages: Pages) -> None:
        self.name = name
        self._pages = pages
        self._state = NotebookState()

    def read(self, offset: int, size: int, now: int) -> int:
        if offset == BYTE:
            return self._pages.read(self._state.place << 8, 1)[0]
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == BYTE:
            self._pages.write(self._state.place << 8, bytes([value & 0xFF]))
        elif offset == PLACE and size == 4:
            self._state.place = value

    def save(self) -> NotebookState:
        return replace(self._state)

    def restore(self, state: NotebookState) -> None:
        self._state = replace(state)

    def describe(self, now: int) -> Rows:
        return [("place", f"{self._state.place << 8:#x}")]


def fit(slot: Slot, options: NotebookOptions) -> Notebook:
    notebook = Notebook(slot.name, slot.pages("notes", SIZE))
    slot.claim_ports(range(options.port, options.port + 8), notebook, wide=True)
    return notebook


FITTING = Fitting("notebook", Notebook.title, NotebookOptions, fit)
