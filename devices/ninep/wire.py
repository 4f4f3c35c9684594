"""Messages of 9P as bytes: little-endian integers, and strings with their length before them (intro(5))."""

from __future__ import annotations

import enum
import struct

HEADER = struct.Struct("<IBH")
"""Size of the whole, type, tag."""
QID = struct.Struct("<BIQ")
NO_FID = 0xFFFF_FFFF
NO_TAG = 0xFFFF
READ_HEADER = 11
"""Of the answer to a read, up to the data."""
LONGEST_TARGET = 4095
PERMISSIONS = 0o7777


class Type(enum.IntEnum):
    """Requests; an answer is one more."""

    LERROR = 6
    STATFS = 8
    LOPEN = 12
    LCREATE = 14
    SYMLINK = 16
    MKNOD = 18
    RENAME = 20
    READLINK = 22
    GETATTR = 24
    SETATTR = 26
    XATTRWALK = 30
    XATTRCREATE = 32
    READDIR = 40
    FSYNC = 50
    LOCK = 52
    GETLOCK = 54
    LINK = 70
    MKDIR = 72
    RENAMEAT = 74
    UNLINKAT = 76
    VERSION = 100
    AUTH = 102
    ATTACH = 104
    FLUSH = 108
    WALK = 110
    READ = 116
    WRITE = 118
    CLUNK = 120
    REMOVE = 122


class BadMessageError(Exception):
    """The guest's message is cut off, or no message."""


class Fields:
    """Those of a message, one after the other. All methods raise BadMessageError at its end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise BadMessageError("cut off")
        data = self._body[self._at : end]
        self._at = end
        return data

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self) -> bytes:
        return self.take(self.u16())


def text(data: bytes) -> bytes:
    """A string as it is in a message."""
    return len(data).to_bytes(2, "little") + data
