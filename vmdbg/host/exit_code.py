"""The exit code of a process of vmdbg."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """0: powered off or stopped as asked; 1: the guest died; 2: bad usage; 3: the engine failed."""

    DONE = 0
    GUEST_DIED = 1
    USAGE = 2
    ENGINE = 3


SIGNAL_BASE = 128
"""A run that a signal ended exits with this plus its number, as shells count."""
