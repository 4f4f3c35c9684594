"""What the rings of an RTL8139C+ hold, in words for who writes a driver. Nothing that they hold raises."""

from __future__ import annotations

from typing import Final

from devices.network.rtl8139 import cplus_descriptors as desc
from devices.seam import BusMaster, Rows
from devices.wiring.bits import named_bits

MOST_SHOWN: Final = 6


def ring_rows(name: str, base: int, following: int, memory: BusMaster) -> Rows:
    """A ring by where it is, and the descriptors from the one on whose turn it is, up to one that is the driver's."""
    rows, number = [(f"{name} descriptors", f"at {base:x}, next {following}")], following
    for _ in range(MOST_SHOWN):
        at = base + desc.SIZE * number
        one = desc.read(at, memory.look(at, desc.SIZE))
        whose = ", given" if one.is_given else ""
        tag = f", second word {one.tag:x}" if one.tag else ""
        rows.append((f"{name} descriptor {number}{whose}", f"{_words(one)} at {one.buffer:x}{tag}"))
        number = 0 if one.command & desc.END_OF_RING else (number + 1) % desc.MOST
        if not one.is_given or number == following:
            break
    return rows


def _words(one: desc.Descriptor) -> str:
    return f"{one.command & 0xFFFF} bytes, {named_bits(one.command >> 28 << 28, desc.NAMES)}"
