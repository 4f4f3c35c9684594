"""Where a client that detaches in the past leaves the guest."""

from __future__ import annotations

import enum


class Leaving(enum.Enum):
    """The value is what users write."""

    END = "end"
    STAY = "stay"
