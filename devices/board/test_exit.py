"""A port through which a guest ends its own run, as QEMU's isa-debug-exit does.

The exit code is `value << 1 | 1`: never 0, so it cannot be taken for a power-off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import Rows

TEST_EXIT_PORT = 0xF4
TEST_EXIT_SIZE = 4


@dataclass(slots=True)
class TestExitState:
    """The port keeps nothing."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class TestExitOptions:
    __test__ = False
    port: int = TEST_EXIT_PORT


class TestExit:
    """Four ports that take accesses of any width. `end_run` gets the exit code, not yet cut to what a host
    can return.
    """

    __test__ = False
    title = "ends the run with the value written"
    State: ClassVar[type[TestExitState]] = TestExitState

    def __init__(self, name: str, port: int, end_run: Callable[[int], None]) -> None:
        self.name = name
        self._port = port
        self._end_run = end_run

    def read(self, offset: int, size: int, now: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._end_run(value << 1 | 1)

    def save(self) -> TestExitState:
        return TestExitState()

    def restore(self, state: TestExitState) -> None:
        del state  # nothing to take over

    def describe(self, now: int) -> Rows:
        return [("port", f"{self._port:02x}: a write of V ends the run with code V << 1 | 1")]


def _fit(slot: Slot, options: TestExitOptions) -> TestExit:
    device = TestExit(slot.name, options.port, slot.end_run)
    slot.claim_ports(range(options.port, options.port + TEST_EXIT_SIZE), device, wide=True)
    return device


FITTING = Fitting("test-exit", TestExit.title, TestExitOptions, _fit)
