"""The shared folders that a machine has, as its configuration says."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_TAG = 31
"""Bytes, as QEMU has it."""
SMALLEST, LARGEST, USUAL = 1 << 20, 1 << 40, 1 << 30
"""Bytes of what is kept beside a folder."""


@dataclass(frozen=True, slots=True)
class Share:
    """One that a machine has: `name` is the device's and the folder's, `tag` what the guest mounts.

    What the guest writes is kept beside the folder, `size` bytes of it at most; goes into the folder itself if it is
    `direct`; or is refused, if it is `read_only`.
    """

    name: str
    tag: str
    read_only: bool = False
    direct: bool = False
    size: int = USUAL
