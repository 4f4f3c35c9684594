"""What travels between I/O APIC and local APICs: interrupt messages, and the end of an interrupt back.

Source: Intel SDM 3A, 11.6.1 (ICR), 11.8 and 11.11 (message signalled interrupts); 82093AA data sheet, 3.2.4.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

BROADCAST = 0xFFFF_FFFF
BROADCAST_OF_8_BITS = 0xFF
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


class Shorthand(enum.IntEnum):
    """Bits 19 and 18 of the ICR."""

    NONE = 0
    SELF = 1
    ALL_INCLUDING_SELF = 2
    ALL_EXCLUDING_SELF = 3


@dataclass(frozen=True, slots=True)
class InterruptMessage:
    """`destination` is an APIC ID, or with `logical` a message destination address; BROADCAST is everyone."""

    destination: int
    logical: bool
    mode: DeliveryMode
    vector: int
    level_triggered: bool


def destination_of_8_bits(field: int) -> int:
    """What an I/O APIC, a message signalled interrupt or an xAPIC has in its destination field; FFh is everyone."""
    return BROADCAST if field == BROADCAST_OF_8_BITS else field


MSI_ADDRESSES = range(0xFEE0_0000, 0xFEF0_0000)
"""Stores of other bus masters than CPUs to here are interrupt messages (SDM 3A 11.11.1)."""
MSI_LOGICAL = 0x4
MSI_ASSERT = 0x4000
MSI_LEVEL = 0x8000


def signalled_message(address: int, data: int) -> InterruptMessage | None:
    """What a store of `data` to `address` means; None if it is no interrupt, or the end of a level."""
    level = bool(data & MSI_LEVEL)
    if address not in MSI_ADDRESSES or (level and not data & MSI_ASSERT):
        return None
    return InterruptMessage(
        destination=destination_of_8_bits(address >> 12 & 0xFF),
        logical=bool(address & MSI_LOGICAL),
        mode=DeliveryMode(data >> 8 & 7),
        vector=data & 0xFF,
        level_triggered=level,
    )


class ApicBus(Protocol):
    """Where messages go."""

    def deliver(self, message: InterruptMessage) -> bool:
        """Hand over one message; False if no local APIC accepts it."""


class Receiver(Protocol):
    """A local APIC as the others see it."""

    @property
    def apic_id(self) -> int: ...

    @property
    def arbitration_priority(self) -> int:
        """APR (SDM 3A 11.6.2.4)."""
        ...

    @property
    def takes_fixed(self) -> bool:
        """Whether it is enabled, by software too."""
        ...

    def is_destination(self, message: InterruptMessage) -> bool: ...

    def accept(self, message: InterruptMessage) -> bool:
        """A message that is for this one; False if it takes no such now."""
        ...


class InterprocessorBus(ApicBus, Protocol):
    """Where local APICs send to one another."""

    def send(self, sender: Receiver, shorthand: Shorthand, message: InterruptMessage) -> None:
        """With a shorthand the destination of `message` says nothing."""
        ...


class EndOfInterruptListener(Protocol):
    """Who hears of the end of level-triggered interrupts."""

    def end_of_interrupt(self, vector: int) -> None: ...
