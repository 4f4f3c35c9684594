"""Where a PC has its four serial ports (IBM AT Technical Reference; COM3 and COM4 by common use)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComPort:
    """Where a PC has one of its serial ports."""

    name: str
    base: int
    irq: int


COM_PORTS = (
    ComPort("com1", 0x3F8, 4),
    ComPort("com2", 0x2F8, 3),
    ComPort("com3", 0x3E8, 4),
    ComPort("com4", 0x2E8, 3),
)
COM_PORT_SIZE = 8
