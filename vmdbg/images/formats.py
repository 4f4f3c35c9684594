"""What a user may say of an image."""

from __future__ import annotations

import enum


class Format(enum.Enum):
    """By the names that users write."""

    RAW = "raw"
    QCOW2 = "qcow2"
