"""A VGA's memory in planes and its ports, which the engine may answer itself."""

from __future__ import annotations

from ctypes import Structure
from typing import Protocol


class VgaHelper(Protocol):
    """Whether the engine does that cannot be seen. While prepare_interrupts() says observed, all goes to the bus."""

    def share_vga(self, vga: Structure, at: int, size: int) -> None:
        """`vga` is a devices.display.shared_vga.SharedVga; video memory are `size` bytes of PhysicalMemory.memory from
        `at` on. Raises EngineError if the engine knows no such, or has one.
        """
        ...
