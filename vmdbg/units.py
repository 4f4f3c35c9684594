"""The units that must not be mixed: instants and addresses.

A `Tick` is one byte of guest code retired, and one nanosecond of guest time.
A `Linear` address is what segmentation yields and paging translates (SDM 3A 3.1);
a `Physical` address is what reaches the bus.
"""

from typing import NewType

Tick = NewType("Tick", int)
Linear = NewType("Linear", int)
Physical = NewType("Physical", int)

TICKS_PER_SECOND = 1_000_000_000
PAGE_SIZE = 4096
PAGE_MASK = PAGE_SIZE - 1
