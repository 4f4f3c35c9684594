"""What travels between I/O APIC and local APIC: interrupt messages, and the end of an interrupt back.

Source: Intel SDM 3A, 11.6.1 (ICR) and 11.8; 82093AA data sheet, 3.2.4.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

BROADCAST = 0xFF
LOWEST_VECTOR = 16
"""Vectors 0 to 15 are illegal in messages of fixed and lowest-priority delivery."""


class DeliveryMode(enum.IntEnum):
    FIXED = 0
    LOWEST_PRIORITY = 1
    SMI = 2
    RESERVED = 3
    NMI = 4
    INIT = 5
    START_UP = 6
    EXTINT = 7


@dataclass(frozen=True, slots=True)
class InterruptMessage:
    """`destination` is an APIC ID, or with `logical` a message destination address; FFh is everyone."""

    destination: int
    logical: bool
    mode: DeliveryMode
    vector: int
    level_triggered: bool


class ApicBus(Protocol):
    """Where messages go."""

    def deliver(self, message: InterruptMessage) -> bool:
        """Hand over one message; False if no local APIC accepts it."""


class EndOfInterruptListener(Protocol):
    """Who hears of the end of level-triggered interrupts."""

    def end_of_interrupt(self, vector: int) -> None: ...
