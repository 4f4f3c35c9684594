"""Several drivers of one line: A20 from the keyboard controller and port 92h, a shared ISA interrupt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Line, Rows


@dataclass(slots=True)
class WiredOrState:
    levels: list[bool] = field(default_factory=list)
    """What each input drives, in the order in which the inputs were made."""


class WiredOr:
    """Drives `output` high while any of its inputs is high."""

    State: ClassVar[type[WiredOrState]] = WiredOrState

    def __init__(self, name: str, title: str, output: Line) -> None:
        self.name = name
        self.title = title
        self._output = output
        self._state = WiredOrState()

    def input(self, level: bool = False) -> Line:
        """A further input, starting at `level`. The output is not driven until an input is next set."""
        self._state.levels.append(level)
        return _Input(self, len(self._state.levels) - 1)

    @property
    def level(self) -> bool:
        return any(self._state.levels)

    def drive(self, index: int, level: bool) -> None:
        """Set input number `index` and pass the result on."""
        self._state.levels[index] = level
        self._output.set(self.level)

    def save(self) -> WiredOrState:
        return copied(self._state)

    def restore(self, state: WiredOrState) -> None:
        """Raises ValueError when the state has another number of inputs."""
        if len(state.levels) != len(self._state.levels):
            raise ValueError(f"{self.name} has {len(self._state.levels)} inputs, the saved state {len(state.levels)}")
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        inputs = "".join(str(int(level)) for level in self._state.levels)
        return [("level", "high" if self.level else "low"), ("inputs", inputs)]


class _Input:
    def __init__(self, target: WiredOr, index: int) -> None:
        self._target = target
        self._index = index

    def set(self, level: bool) -> None:
        self._target.drive(self._index, level)
