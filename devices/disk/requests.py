"""Requests to drives as people ask about them: what was done, when, and how long it took."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Operation(enum.StrEnum):
    READ = "read"
    WRITE = "write"
    FLUSH = "flush"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class DiskRequest:
    """`sector` and `count` in sectors of 512 bytes; both times are guest time. `completed` is when the data moved."""

    unit: str
    operation: Operation
    sector: int
    count: int
    submitted: int
    completed: int


Listener = Callable[[DiskRequest], None]
