"""The Python API: boot a guest or open a recording, and do with it what the command line and gdb can.

    import vmdbg

    with vmdbg.launch("vmlinuz", initrd="initrd.cpio") as guest:
        guest.expect("login:")
        guest.send("root\\n")
        ...

The names here are also those of the package `vmdbg` itself. Labs are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.api.boot import launch, open_recording, resume
from vmdbg.api.guest import Guest
from vmdbg.api.hit import Hit
from vmdbg.errors import EngineError, GuestError, RecordingError, UserError, VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.state_digest import DivergenceError

if TYPE_CHECKING:
    from vmdbg.api.lab import Lab

__all__ = [
    "DivergenceError",
    "EngineError",
    "Guest",
    "GuestError",
    "Hit",
    "Lab",
    "Position",
    "RecordingError",
    "UserError",
    "VmdbgError",
    "launch",
    "open_recording",
    "resume",
]


def __getattr__(name: str) -> object:
    if name != "Lab":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vmdbg.api.lab import Lab

    return Lab
