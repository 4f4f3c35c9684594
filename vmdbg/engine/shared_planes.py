"""A VGA's memory in planes and its ports for drawing, which the engine may answer itself."""

from __future__ import annotations

from ctypes import Structure
from typing import Protocol


class PlanesHelper(Protocol):
    """Whether the engine does that cannot be seen. While prepare_interrupts() says observed, all goes to the bus."""

    def share_planes(self, planes: Structure, at: int, size: int) -> None:
        """`planes` is a devices.display.shared_planes.SharedPlanes; the planes' memory are `size` bytes of
        PhysicalMemory.memory from `at` on. Raises EngineError if the engine knows no such.
        """
        ...
