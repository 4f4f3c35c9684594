"""ISO 9660 images, as far as it takes to tell whether one is whole (ECMA-119, 8.4)."""

from __future__ import annotations

import struct

from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError

_DESCRIPTOR = 16 * 2048
"""Where the first volume descriptor is, in bytes."""
_IDENTIFIER = b"\x01CD001"
_SPACE_SIZE = 80
_BLOCK_SIZE = 128
"""Offsets in a primary volume descriptor."""


def is_iso(file: HostFile) -> bool:
    """Whether a primary volume descriptor comes first, as it does on what mkisofs and its kin make."""
    end = _DESCRIPTOR + 2048
    return file.size >= end and file.read(_DESCRIPTOR, len(_IDENTIFIER)) == _IDENTIFIER


def check_iso(file: HostFile) -> None:
    """Raises ImageError for an ISO that is cut off. What is no ISO may be a CD all the same."""
    if not is_iso(file):
        return
    descriptor = file.read(_DESCRIPTOR, 2048)
    (blocks,) = struct.unpack_from("<I", descriptor, _SPACE_SIZE)
    (block,) = struct.unpack_from("<H", descriptor, _BLOCK_SIZE)
    if blocks * block > file.size:
        raise ImageError(
            f"the CD image {file.name} is cut off: its volume has {blocks * block} bytes, and the file ends at "
            f"{file.size}: fetch it again"
        )
