"""Bits, offsets and numbers of the PCI transport. Source: virtio 1.2, 2.1, 2.2, 4.1 and 6."""

from __future__ import annotations

import enum
from typing import Final

VENDOR: Final = 0x1AF4
DEVICE_BASE: Final = 0x1040
"""Of PCI device IDs: the virtio device ID is added."""

INDIRECT_DESC: Final = 1 << 28
EVENT_IDX: Final = 1 << 29
VERSION_1: Final = 1 << 32
TRANSPORT_FEATURES: Final = INDIRECT_DESC | EVENT_IDX | VERSION_1


class Status(enum.IntFlag):
    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    NEEDS_RESET = 0x40
    FAILED = 0x80


class Isr(enum.IntFlag):
    QUEUE = 1
    CONFIG = 2


class Region(enum.IntEnum):
    """cfg_type of the vendor's capabilities (4.1.4)."""

    COMMON = 1
    NOTIFY = 2
    ISR = 3
    DEVICE = 4
    PCI_CFG = 5


BAR: Final = 4
BAR_SIZE: Final = 0x4000
MSIX_BAR: Final = 1
COMMON_PAGE: Final = 0
ISR_PAGE: Final = 1
DEVICE_PAGE: Final = 2
NOTIFY_PAGE: Final = 3
"""Of the BAR: each region has one."""
PLACES: Final = {
    Region.COMMON: COMMON_PAGE,
    Region.ISR: ISR_PAGE,
    Region.DEVICE: DEVICE_PAGE,
    Region.NOTIFY: NOTIFY_PAGE,
}
REGION_SIZE: Final = 0x1000
NOTIFY_MULTIPLIER: Final = 4

DEVICE_FEATURE_SELECT: Final = 0x00
DEVICE_FEATURE: Final = 0x04
DRIVER_FEATURE_SELECT: Final = 0x08
DRIVER_FEATURE: Final = 0x0C
CONFIG_VECTOR: Final = 0x10
NUM_QUEUES: Final = 0x12
DEVICE_STATUS: Final = 0x14
CONFIG_GENERATION: Final = 0x15
QUEUE_SELECT: Final = 0x16
QUEUE_SIZE: Final = 0x18
QUEUE_VECTOR: Final = 0x1A
QUEUE_ENABLE: Final = 0x1C
QUEUE_NOTIFY_OFF: Final = 0x1E
QUEUE_DESC: Final = 0x20
QUEUE_DRIVER: Final = 0x28
QUEUE_DEVICE: Final = 0x30
COMMON_SIZE: Final = 0x38
