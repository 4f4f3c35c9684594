"""The error logic of the math coprocessor: FERR# to IRQ 13, and port F0h, by which a handler takes it back.

Source: IBM AT Technical Reference, 80287; Intel 82371AB data sheet, coprocessor error register; SDM 1 appendix D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.seam import Line, Rows

COPROCESSOR_IRQ = 13
ALL_ONES = 0xFF


@dataclass(slots=True)
class CoprocessorState:
    error: bool = False


class CoprocessorError:
    """FERR# is latched, and drives `irq`; any write to port F0h ends that and drives `ignne`, which the CPU heeds while
    its error stands.
    """

    name = "coprocessor"
    title = "x87 errors: IRQ 13, port F0h"
    State: ClassVar[type[CoprocessorState]] = CoprocessorState

    def __init__(self, irq: Line, ignne: Line) -> None:
        self._irq = irq
        self._ignne = ignne
        self._state = CoprocessorState()

    @property
    def ferr(self) -> Line:
        return _Ferr(self)

    def latch(self) -> None:
        """FERR# has become active."""
        self._state.error = True
        self._irq.set(True)

    def read(self, offset: int, size: int, now: int) -> int:
        return ALL_ONES

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._state.error = False
        self._irq.set(False)
        self._ignne.set(True)

    def save(self) -> CoprocessorState:
        return copied(self._state)

    def restore(self, state: CoprocessorState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        return [("error", "latched" if self._state.error else "none")]


@dataclass(frozen=True, slots=True)
class _Ferr:
    device: CoprocessorError

    def set(self, level: bool) -> None:
        if level:
            self.device.latch()
