"""What a Linux kernel reports to have gone wrong."""

from __future__ import annotations

from enum import Enum


class ReportKind(Enum):
    """What sort of thing went wrong, as a word for people."""

    OOPS = "oops"
    PANIC = "panic"
    WARNING = "warning"
    SOFT_LOCKUP = "soft lockup"
    HARD_LOCKUP = "hard lockup"
    HUNG_TASK = "hung task"
    RCU_STALL = "RCU stall"
    MEMORY_ERROR = "memory error"
    BUG = "bug"
