"""A port through which a guest ends its own run, as QEMU's isa-debug-exit does.

The exit code is `value << 1 | 1`: never 0, so it cannot be taken for a power-off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

TEST_EXIT_PORT = 0xF4
TEST_EXIT_SIZE = 4


@dataclass(slots=True)
class TestExitState:
    """The port keeps nothing."""

    __test__ = False


class TestExit:
    """Four ports that take accesses of any width. `end_run` gets the exit code, not yet cut to what a host
    can return.
    """

    __test__ = False
    name = "test-exit"
    State: ClassVar[type[TestExitState]] = TestExitState

    def __init__(self, end_run: Callable[[int], None]) -> None:
        self._end_run = end_run

    def read(self, offset: int, size: int, now: int) -> int:  # noqa: ARG002 - the seam's signature
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:  # noqa: ARG002 - the seam's signature
        self._end_run(value << 1 | 1)

    def save(self) -> TestExitState:
        return TestExitState()

    def restore(self, state: TestExitState) -> None:
        del state  # nothing to take over

    def describe(self) -> list[tuple[str, str]]:
        return [("port", f"{TEST_EXIT_PORT:02x}: a write of V ends the run with code V << 1 | 1")]
