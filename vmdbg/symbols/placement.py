"""Where the guest has what a file was linked for: moved as a whole, or section by section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmdbg.dwarf.relocations import PlacedSection

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses [start, end) of the file are at `guest` and on in the guest."""

    start: int
    end: int
    guest: int


@dataclass(frozen=True, slots=True)
class Placement:
    """With `blocks` only what is in one of them is in the guest; without, everything, `slide` higher."""

    slide: int = 0
    blocks: tuple[Block, ...] | None = None

    def to_guest(self, address: int) -> int | None:
        """An address of the file in the guest; None for a section that is not loaded."""
        if self.blocks is None:
            return address + self.slide & _MASK
        for block in self.blocks:
            if block.start <= address < block.end:
                return address - block.start + block.guest
        ends = (block for block in self.blocks if address == block.end)
        return next((block.guest + block.end - block.start for block in ends), None)

    def to_file(self, address: int) -> int | None:
        """An address of the guest in the file; None if it is nothing of the file's."""
        if self.blocks is None:
            return address - self.slide & _MASK
        for block in self.blocks:
            if block.guest <= address < block.guest + block.end - block.start:
                return address - block.guest + block.start
        return None


NOWHERE = Placement(blocks=())
"""Of a file that the guest has not got."""


def section_placement(sections: Iterable[PlacedSection], addresses: Mapping[str, int]) -> Placement:
    """Of a file that was not linked (a kernel module): `addresses` says where the guest has each section, by name.

    Sections without an address are not loaded, as those of initialisation once it is done.
    """
    return Placement(
        blocks=tuple(
            Block(one.address, one.address + one.size, addresses[one.name]) for one in sections if one.name in addresses
        )
    )
