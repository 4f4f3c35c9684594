"""The registers of an AHCI port, and what it keeps (Serial ATA AHCI 1.3.1, 3.3)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from devices.disk.ata_identify import Settings
from devices.disk.scsi_cd import CdState

SLOTS = 32
NOTHING_THERE = 0x7F
"""The status of a port with nothing at it."""


class PortRegister(enum.IntEnum):
    """Offsets, 3.3."""

    CLB = 0x00
    CLBU = 0x04
    FB = 0x08
    FBU = 0x0C
    IS = 0x10
    IE = 0x14
    CMD = 0x18
    TFD = 0x20
    SIG = 0x24
    SSTS = 0x28
    SCTL = 0x2C
    SERR = 0x30
    SACT = 0x34
    CI = 0x38


class Cmd(enum.IntFlag):
    """PxCMD, 3.3.7."""

    ST = 1 << 0
    SUD = 1 << 1
    POD = 1 << 2
    CLO = 1 << 3
    FRE = 1 << 4
    FR = 1 << 14
    CR = 1 << 15
    ATAPI = 1 << 24


class Interrupt(enum.IntFlag):
    """PxIS, 3.3.5."""

    DHRS = 1 << 0
    PSS = 1 << 1
    TFES = 1 << 30


WRITABLE_CMD = int(Cmd.ST | Cmd.SUD | Cmd.POD | Cmd.FRE | Cmd.ATAPI) | 0xF000_0000
EXCHANGED = 1 << 26 | 1 << 16
"""PxSERR after a device came: DIAG.X and DIAG.N."""


class Work(enum.StrEnum):
    IDLE = "idle"
    FETCH = "reads a command"
    TRANSFER = "works at a command"


@dataclass(slots=True)
class PortState:
    """`slot` is that of the command at work, whose FIS and packet are kept from the first deadline to the second.
    A port that is `halted`, by a command that failed, does nothing until it is stopped.
    """

    clb: int = 0
    fb: int = 0
    status: int = 0
    enable: int = 0
    cmd: int = 0
    tfd: int = NOTHING_THERE
    signature: int = 0xFFFF_FFFF
    control: int = 0
    error: int = 0
    issued: int = 0
    work: Work = Work.IDLE
    slot: int = 0
    halted: bool = False
    fis: bytes = b""
    packet: bytes = b""
    submitted: list[int] = field(default_factory=lambda: [0] * SLOTS)
    settings: Settings = field(default_factory=Settings)
    sense: CdState = field(default_factory=CdState)

    def copy(self) -> PortState:
        """An independent one."""
        submitted, settings, sense = list(self.submitted), replace(self.settings), replace(self.sense)
        return replace(self, submitted=submitted, settings=settings, sense=sense)
