"""The configuration space of a function with a header of type 0: where its registers are, and what they mean.

Source: PCI Local Bus Specification 3.0, chapter 6; appendix D for class codes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

CONFIG_SPACE_SIZE = 256
BUS_DEVICES = 32
DEVICE_FUNCTIONS = 8

VENDOR_ID = 0x00
DEVICE_ID = 0x02
COMMAND = 0x04
STATUS = 0x06
REVISION_ID = 0x08
CLASS_CODE = 0x09
CACHE_LINE_SIZE = 0x0C
LATENCY_TIMER = 0x0D
HEADER_TYPE = 0x0E
BASE_ADDRESS = 0x10
SUBSYSTEM_VENDOR_ID = 0x2C
SUBSYSTEM_ID = 0x2E
EXPANSION_ROM = 0x30
CAPABILITIES_POINTER = 0x34
INTERRUPT_LINE = 0x3C
INTERRUPT_PIN = 0x3D
FIRST_FREE = 0x40
"""Where capabilities and registers of a function's own begin."""

BARS = 6
MULTIFUNCTION = 0x80
ROM_ENABLE = 1


class Command(enum.IntFlag):
    IO = 0x0001
    MEMORY = 0x0002
    MASTER = 0x0004
    PARITY = 0x0040
    SERR = 0x0100
    INTX_DISABLE = 0x0400


class Status(enum.IntFlag):
    INTERRUPT = 0x0008
    CAPABILITIES = 0x0010
    FAST_BACK_TO_BACK = 0x0080
    DEVSEL_MEDIUM = 0x0200
    MASTER_PARITY = 0x0100
    SIGNALED_TARGET_ABORT = 0x0800
    RECEIVED_TARGET_ABORT = 0x1000
    RECEIVED_MASTER_ABORT = 0x2000
    SIGNALED_SYSTEM_ERROR = 0x4000
    DETECTED_PARITY = 0x8000


STATUS_ERRORS = 0xF900
"""Written as ones, they are cleared."""


class Pin(enum.IntEnum):
    """What INTERRUPT_PIN says."""

    NONE = 0
    INTA = 1
    INTB = 2
    INTC = 3
    INTD = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Device and function number on bus 0. Raises ValueError if there is no such place."""

    device: int
    function: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.device < BUS_DEVICES and 0 <= self.function < DEVICE_FUNCTIONS):
            raise ValueError(f"PCI device {self.device:02x}.{self.function} is not in 00.0-1f.7")

    def __str__(self) -> str:
        return f"00:{self.device:02x}.{self.function}"

    @property
    def number(self) -> int:
        """As CONFIG_ADDRESS has it, from bit 8 on."""
        return self.device << 3 | self.function


class ConfigSpace(Protocol):
    """What answers at one bus, device and function number. `register` is 0-255, `size` 1, 2 or 4, never
    across a dword.
    """

    def read_config(self, register: int, size: int) -> int: ...

    def write_config(self, register: int, size: int, value: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a function is. `class_code` has 24 bits: base class, sub-class, programming interface."""

    vendor: int
    device: int
    class_code: int
    revision: int = 0
    subsystem_vendor: int = 0
    subsystem: int = 0
    multifunction: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """A register beyond the header: `size` bytes at `offset`, what it holds after a reset, the bits that can be written
    and those that a written 1 clears.
    """

    offset: int
    size: int
    value: int = 0
    writable: int = 0
    cleared_by_ones: int = 0


@dataclass(frozen=True, slots=True)
class Capability:
    """An entry of the capabilities list: its ID and what follows the pointer to the next, with the bits of it that can
    be written.
    """

    id: int
    body: bytes
    writable: bytes = b""
