"""Frame information structures as AHCI keeps them in memory (Serial ATA 3.0, 10.3)."""

from __future__ import annotations

import enum
import struct

from devices.disk.ata import TaskFile

COMMAND_SIZE = 64
"""Bytes that a command table has for a command FIS and what it does not use."""


class FisType(enum.IntEnum):
    HOST_TO_DEVICE = 0x27
    DEVICE_TO_HOST = 0x34
    PIO_SETUP = 0x5F


_COMMAND = 0x80
"""In byte 1 of a host to device FIS: the command register was written, not the device control register."""
_INTERRUPT, _TO_HOST = 0x40, 0x20
SRST = 0x04


def task_of(fis: bytes) -> tuple[int | None, int, TaskFile]:
    """Command, None if it was the control register that was written; that register; and the rest of the task file."""
    _, flags, command, features = fis[:4]
    low, mid, high, device, hob_low, hob_mid, hob_high, hob_features = fis[4:12]
    count, hob_count, _, control = fis[12:16]
    task = TaskFile(features, count, low, mid, high, device, hob_features, hob_count, hob_low, hob_mid, hob_high)
    return command if flags & _COMMAND else None, control, task


def register_fis(task: TaskFile, status: int, error: int, *, interrupt: bool = True) -> bytes:
    """Register - Device to Host: 20 bytes."""
    head = struct.pack("<4B", FisType.DEVICE_TO_HOST, _INTERRUPT if interrupt else 0, status, error)
    return head + _place(task)


def pio_setup_fis(task: TaskFile, status: int, ending: int, size: int) -> bytes:
    """PIO Setup of data to the host; `ending` is the status after it. 20 bytes."""
    head = struct.pack("<4B", FisType.PIO_SETUP, _INTERRUPT | _TO_HOST, status, 0)
    return head + _place(task)[:11] + struct.pack("<BHH", ending, min(size, 0xFFFE), 0)


def _place(task: TaskFile) -> bytes:
    return struct.pack(
        "<16B",
        task.low, task.mid, task.high, task.device, task.hob_low, task.hob_mid, task.hob_high, 0,
        task.count, task.hob_count, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
