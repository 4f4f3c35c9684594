"""RAM and ROM, by physical address. What is written here comes from outside the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vmdbg.units import Physical


class PhysicalMemory(Protocol):
    """RAM and ROM, by physical address. What is written here comes from outside the CPU."""

    @property
    def ram_size(self) -> int: ...

    @property
    def ram(self) -> memoryview:
        """RAM, read-only."""
        ...

    def write_ram(self, address: Physical, data: bytes | memoryview) -> None:
        """Write RAM from outside the CPU. Raises ValueError beyond the end of RAM."""
        ...

    def read_physical(self, address: Physical, size: int) -> bytes:
        """RAM and ROM as a device finds them. What is no memory reads as ones."""
        ...

    def write_physical(self, address: Physical, data: bytes | memoryview) -> None:
        """A device stores. What is no RAM stays as it is."""
        ...

    def add_rom(self, address: Physical, data: bytes | memoryview) -> None:
        """Memory above RAM with contents, before the first run. Whole pages."""
        ...

    @property
    def roms(self) -> Mapping[int, memoryview]:
        """What add_rom() was given, by physical address, read-only."""
        ...

    def restore_ram(self, address: Physical, data: bytes | memoryview) -> None:
        """Put RAM back without marking it dirty. Whole pages."""
        ...

    def dirty_pages(self) -> bytes:
        """A byte for each page of RAM: nonzero if it may have changed since clean_pages()."""
        ...

    def clean_pages(self) -> None: ...
