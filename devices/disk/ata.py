"""ATA's registers and commands as controllers of any kind hand them over (ATA/ATAPI-7, volume 1)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.IntFlag):
    """The status register (ATA-7, 6.9). SEEK is bit 4, obsolete and always set by a drive that is ready."""

    ERR = 0x01
    DRQ = 0x08
    SEEK = 0x10
    DF = 0x20
    DRDY = 0x40
    BSY = 0x80


READY = Status.DRDY | Status.SEEK


class Error(enum.IntFlag):
    """The error register (ATA-7, 6.4)."""

    ABRT = 0x04
    IDNF = 0x10
    PASSED = 0x01
    """Device 0 passed its diagnostic; device 1 passed or is not there."""


class Reason(enum.IntFlag):
    """The sector count register of a packet device (ATA-7, 6.6): why it interrupts."""

    COMMAND = 0x01
    TO_HOST = 0x02


class Command(enum.IntEnum):
    """ATA-7, annex B."""

    NOP = 0x00
    DATA_SET_MANAGEMENT = 0x06
    DEVICE_RESET = 0x08
    READ_SECTORS = 0x20
    READ_SECTORS_NO_RETRY = 0x21
    READ_SECTORS_EXT = 0x24
    READ_DMA_EXT = 0x25
    READ_NATIVE_MAX_EXT = 0x27
    READ_MULTIPLE_EXT = 0x29
    WRITE_SECTORS = 0x30
    WRITE_SECTORS_NO_RETRY = 0x31
    WRITE_SECTORS_EXT = 0x34
    WRITE_DMA_EXT = 0x35
    WRITE_MULTIPLE_EXT = 0x39
    WRITE_DMA_FUA_EXT = 0x3D
    READ_VERIFY = 0x40
    READ_VERIFY_NO_RETRY = 0x41
    READ_VERIFY_EXT = 0x42
    SEEK = 0x70
    DIAGNOSTIC = 0x90
    SET_PARAMETERS = 0x91
    PACKET = 0xA0
    IDENTIFY_PACKET = 0xA1
    READ_MULTIPLE = 0xC4
    WRITE_MULTIPLE = 0xC5
    SET_MULTIPLE = 0xC6
    READ_DMA = 0xC8
    READ_DMA_NO_RETRY = 0xC9
    WRITE_DMA = 0xCA
    WRITE_DMA_NO_RETRY = 0xCB
    WRITE_MULTIPLE_FUA_EXT = 0xCE
    STANDBY_IMMEDIATE = 0xE0
    IDLE_IMMEDIATE = 0xE1
    STANDBY = 0xE2
    IDLE = 0xE3
    CHECK_POWER_MODE = 0xE5
    SLEEP = 0xE6
    FLUSH_CACHE = 0xE7
    FLUSH_CACHE_EXT = 0xEA
    IDENTIFY = 0xEC
    SET_FEATURES = 0xEF
    READ_NATIVE_MAX = 0xF8


RECALIBRATE = range(0x10, 0x20)
LBA = 0x40
"""In the device register: the address is one of LBA, not of cylinder, head and sector."""
OBSOLETE = 0xA0
"""Bits of the device register that read as ones."""
SECOND = 0x10
"""In the device register: device 1."""


@dataclass(slots=True)
class TaskFile:
    """The command block registers, each as it was written last, and as it was before (`hob_`), for 48-bit commands."""

    features: int = 0
    count: int = 1
    low: int = 1
    mid: int = 0
    high: int = 0
    device: int = OBSOLETE
    hob_features: int = 0
    hob_count: int = 0
    hob_low: int = 0
    hob_mid: int = 0
    hob_high: int = 0

    @property
    def lba28(self) -> int:
        return self.low | self.mid << 8 | self.high << 16 | (self.device & 0xF) << 24

    @property
    def lba48(self) -> int:
        whole = self.hob_low | self.hob_mid << 8 | self.hob_high << 16
        return self.low | self.mid << 8 | self.high << 16 | whole << 24

    def set_lba28(self, lba: int) -> None:
        self.low, self.mid, self.high = lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF
        self.device = self.device & 0xF0 | lba >> 24 & 0xF

    def set_lba48(self, lba: int) -> None:
        self.low, self.mid, self.high = lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF
        self.hob_low, self.hob_mid, self.hob_high = lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF

    @property
    def count48(self) -> int:
        return self.count | self.hob_count << 8
