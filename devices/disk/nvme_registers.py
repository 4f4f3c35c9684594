"""Offsets, bits and numbers of an NVMe controller. Source: NVM Express 1.4, 3.1, 4.2, 4.6, 5 and 6."""

from __future__ import annotations

import enum
from typing import Final

BAR: Final = 0
BAR_SIZE: Final = 0x4000
MSIX_BAR: Final = 4

CAP: Final = 0x00
VS: Final = 0x08
INTMS: Final = 0x0C
INTMC: Final = 0x10
CC: Final = 0x14
CSTS: Final = 0x1C
AQA: Final = 0x24
ASQ: Final = 0x28
ACQ: Final = 0x30
DOORBELLS: Final = 0x1000
DOORBELL_STRIDE: Final = 4

VERSION: Final = 0x0001_0400
MOST_ENTRIES: Final = 1024
TIMEOUT: Final = 10
"""In units of 500 ms, for CC.EN to show in CSTS.RDY."""
CAPABILITIES: Final = MOST_ENTRIES - 1 | 1 << 16 | TIMEOUT << 24 | 1 << 37
"""MQES, CQR, TO and CSS: queues are contiguous, pages are of 4096 bytes, the NVM command set alone."""

CC_ENABLE: Final = 1
CC_PAGE_SHIFT: Final = 7
CC_SHUTDOWN: Final = 3 << 14
CC_WRITABLE: Final = 0x00FF_FFF1
CSTS_READY: Final = 1
CSTS_FATAL: Final = 2
CSTS_SHUTTING_DOWN: Final = 1 << 2
CSTS_SHUT_DOWN: Final = 2 << 2
CSTS_SHUTDOWN: Final = 3 << 2

SUBMISSION_SIZE: Final = 64
COMPLETION_SIZE: Final = 16
PAGE: Final = 4096
MDTS: Final = 8
MOST_DATA: Final = PAGE << MDTS
"""Bytes of one command's data."""


class Admin(enum.IntEnum):
    DELETE_SQ = 0x00
    CREATE_SQ = 0x01
    GET_LOG_PAGE = 0x02
    DELETE_CQ = 0x04
    CREATE_CQ = 0x05
    IDENTIFY = 0x06
    ABORT = 0x08
    SET_FEATURES = 0x09
    GET_FEATURES = 0x0A
    ASYNCHRONOUS_EVENT = 0x0C


class Nvm(enum.IntEnum):
    FLUSH = 0x00
    WRITE = 0x01
    READ = 0x02
    WRITE_ZEROES = 0x08
    DATASET_MANAGEMENT = 0x09


class Code(enum.IntEnum):
    """Status code, and its type from bit 8 on (4.6.1)."""

    SUCCESS = 0x000
    INVALID_OPCODE = 0x001
    INVALID_FIELD = 0x002
    INVALID_NAMESPACE = 0x00B
    PRP_OFFSET = 0x013
    LBA_RANGE = 0x080
    INVALID_CQ = 0x100
    INVALID_QUEUE = 0x101
    INVALID_QUEUE_SIZE = 0x102
    TOO_MANY_EVENTS = 0x105
    INVALID_VECTOR = 0x108
    INVALID_LOG_PAGE = 0x109
    INVALID_DELETION = 0x10C


class Feature(enum.IntEnum):
    ARBITRATION = 0x01
    POWER = 0x02
    TEMPERATURE = 0x04
    ERROR_RECOVERY = 0x05
    WRITE_CACHE = 0x06
    QUEUES = 0x07
    COALESCING = 0x08
    VECTORS = 0x09
    ATOMICITY = 0x0A
    EVENTS = 0x0B
