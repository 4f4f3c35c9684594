"""The units that must not be mixed: instants, addresses and numbers of CPUs.

A `Tick` is one byte of guest code retired, and one nanosecond of guest time.
A `Linear` address is what segmentation yields and paging translates (SDM 3A 3.1);
a `Physical` address is what reaches the bus.
"""

from typing import NewType

Tick = NewType("Tick", int)
Linear = NewType("Linear", int)
Physical = NewType("Physical", int)
CpuId = NewType("CpuId", int)
"""The number of a CPU, from 0 on: the order in which they are listed, which is not that of APIC IDs."""

BOOT_CPU = CpuId(0)
"""The bootstrap processor (SDM 3A 8.4.1)."""

NEVER = Tick(1 << 63)
"""Later than any instant: runs and deadlines are bounded by it."""
TICKS_PER_SECOND = 1_000_000_000
TICK_SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
"""What may follow a number of ticks that a user writes, in either case."""
PAGE_SIZE = 4096
PAGE_MASK = PAGE_SIZE - 1


def scaled_ticks(number: str, scale: str) -> int:
    """Ticks of a decimal number, which may have a fraction, and one of TICK_SCALES."""
    whole, _, fraction = number.partition(".")
    unit = TICK_SCALES[scale.lower()]
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
