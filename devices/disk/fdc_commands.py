"""Commands and status of an 82077AA floppy disk controller (Intel 82077AA data sheet, tables 5-1 and 6-1 to 6-4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Code(enum.IntEnum):
    """The five low bits of a command's first byte, and the bits above that are the command's."""

    READ_TRACK = 0x02
    SPECIFY = 0x03
    SENSE_DRIVE_STATUS = 0x04
    WRITE_DATA = 0x05
    READ_DATA = 0x06
    RECALIBRATE = 0x07
    SENSE_INTERRUPT_STATUS = 0x08
    WRITE_DELETED_DATA = 0x09
    READ_ID = 0x0A
    READ_DELETED_DATA = 0x0C
    FORMAT_TRACK = 0x0D
    DUMPREG = 0x0E
    SEEK = 0x0F
    VERSION = 0x10
    SCAN_EQUAL = 0x11
    PERPENDICULAR_MODE = 0x12
    CONFIGURE = 0x13
    LOCK = 0x14
    VERIFY = 0x16
    SCAN_LOW_OR_EQUAL = 0x19
    SCAN_HIGH_OR_EQUAL = 0x1D
    RELATIVE_SEEK = 0x8F
    INVALID = 0xFF


@dataclass(frozen=True, slots=True)
class _Form:
    """`options` are the bits of the first byte that qualify it, `parameters` the bytes after it."""

    options: int
    parameters: int


_FORMS = {
    Code.READ_TRACK: _Form(0x60, 8),
    Code.SPECIFY: _Form(0, 2),
    Code.SENSE_DRIVE_STATUS: _Form(0, 1),
    Code.WRITE_DATA: _Form(0xC0, 8),
    Code.READ_DATA: _Form(0xE0, 8),
    Code.RECALIBRATE: _Form(0, 1),
    Code.SENSE_INTERRUPT_STATUS: _Form(0, 0),
    Code.WRITE_DELETED_DATA: _Form(0xC0, 8),
    Code.READ_ID: _Form(0x40, 1),
    Code.READ_DELETED_DATA: _Form(0xE0, 8),
    Code.FORMAT_TRACK: _Form(0x40, 5),
    Code.DUMPREG: _Form(0, 0),
    Code.SEEK: _Form(0, 2),
    Code.VERSION: _Form(0, 0),
    Code.SCAN_EQUAL: _Form(0xE0, 8),
    Code.PERPENDICULAR_MODE: _Form(0, 1),
    Code.CONFIGURE: _Form(0, 3),
    Code.LOCK: _Form(0x80, 0),
    Code.VERIFY: _Form(0xE0, 8),
    Code.SCAN_LOW_OR_EQUAL: _Form(0xE0, 8),
    Code.SCAN_HIGH_OR_EQUAL: _Form(0xE0, 8),
    Code.RELATIVE_SEEK: _Form(0x40, 2),
}

READS = frozenset({Code.READ_DATA, Code.READ_DELETED_DATA, Code.READ_TRACK})
WRITES = frozenset({Code.WRITE_DATA, Code.WRITE_DELETED_DATA})
SCANS = frozenset({Code.SCAN_EQUAL, Code.SCAN_LOW_OR_EQUAL, Code.SCAN_HIGH_OR_EQUAL})
ADDRESSED = READS | WRITES | SCANS | {Code.VERIFY}
"""Those that name a sector."""

MT, MFM, SK = 0x80, 0x40, 0x20
"""Options: both sides of a cylinder, double density, skip what has the other address mark."""


def decode(first: int) -> tuple[Code, int]:
    """The command, and how many bytes follow."""
    for code, form in _FORMS.items():
        if first & ~form.options == code:
            return code, form.parameters
    return Code.INVALID, 0


class Ending(enum.IntEnum):
    """Interrupt code, bits 6 and 7 of status register 0."""

    NORMAL = 0x00
    ABNORMAL = 0x40
    INVALID = 0x80
    POLLED = 0xC0


SEEK_END, EQUIPMENT_CHECK = 0x20, 0x10
"""Of status register 0."""


class Status1(enum.IntFlag):
    MISSING_ADDRESS_MARK = 0x01
    NOT_WRITABLE = 0x02
    NO_DATA = 0x04
    OVERRUN = 0x10
    DATA_ERROR = 0x20
    END_OF_CYLINDER = 0x80


class Status2(enum.IntFlag):
    SCAN_NOT_SATISFIED = 0x04
    SCAN_EQUAL_HIT = 0x08
    WRONG_CYLINDER = 0x10
    CONTROL_MARK = 0x40


class Status3(enum.IntFlag):
    ALWAYS = 0x28
    TRACK_0 = 0x10
    WRITE_PROTECTED = 0x40


class MainStatus(enum.IntFlag):
    """MSR."""

    COMMAND_BUSY = 0x10
    NON_DMA = 0x20
    TO_HOST = 0x40
    REQUEST = 0x80
