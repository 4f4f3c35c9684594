"""Where a PC has its RAM: below the PCI window, and what does not fit there from 4 GiB on.

As on a 440FX with the firmware that people use: a guest with more than 3 GiB has a hole from there to 4 GiB.
"""

from __future__ import annotations

from vmdbg.units import Physical

A20 = 1 << 20
"""Of a physical address: the line that a PC can hold low."""
LOW_RAM = 3 << 30
"""Bytes of RAM that lie from 0 on, at most."""
HIGH_RAM = Physical(4 << 30)
"""Where the rest begins."""


def ram_parts(ram_size: int) -> tuple[tuple[Physical, int], ...]:
    """Physical address and size of each part, in the order in which they are one row of bytes."""
    low = min(ram_size, LOW_RAM)
    parts = [(Physical(0), low)]
    if ram_size > low:
        parts.append((HIGH_RAM, ram_size - low))
    return tuple(parts)


def ram_end(ram_size: int) -> Physical:
    """The first physical address with no RAM at it or above."""
    start, size = ram_parts(ram_size)[-1]
    return Physical(start + size)
