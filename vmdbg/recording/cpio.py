"""Archives of the form that Linux unpacks its initramfs from, gone through as they come.

The form is cpio's "newc": the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.units import PAGE_SIZE

_HEADER = 110
_MAGICS = (b"070701", b"070702")
_FILE_SIZE = slice(54, 62)
_NAME_SIZE = slice(94, 102)
_LONGEST_NAME = 4096
"""Linux's PATH_MAX: it passes over what has a longer one."""
_LAST = b"TRAILER!!!\0"


class CpioFiles:
    """One archive, from its first byte on; `ended` is set by its end, and by what is no archive."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = bytearray()
        self._place = 0
        """Where in the archive the rest begins."""
        self._left = 0
        """Bytes of a file that have not come yet."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The pages of files that are whole with this: where in the archive, and 4096 bytes, fewer at a file's end."""
        self._rest += data
        at = 0
        while not self.ended:
            size = min(self._left, PAGE_SIZE)
            if not size:
                header = at + -(self._place + at) % 4
                size = self._header(header)
                if not size:
                    break
                at = header + size
                continue
            if len(self._rest) < at + size:
                break
            yield self._place + at, bytes(self._rest[at : at + size])
            self._left -= size
            at += size
        del self._rest[:at]
        self._place += at

    def _header(self, at: int) -> int:
        """The size of a header with the name after it; 0 if it is not all there."""
        header = self._rest[at : at + _HEADER]
        if len(header) < _HEADER:
            return 0
        size, name = _number(header[_FILE_SIZE]), _number(header[_NAME_SIZE])
        if not header.startswith(_MAGICS) or size < 0 or not 0 < name <= _LONGEST_NAME:
            self.ended = True
            return 0
        whole = _HEADER + name + -(_HEADER + name) % 4
        if len(self._rest) < at + whole:
            return 0
        self.ended = self._rest.startswith(_LAST, at + _HEADER)
        self._left = size
        return whole


def _number(text: bytearray) -> int:
    """-1 if it is none."""
    try:
        return int(text, 16)
    except ValueError:
        return -1
