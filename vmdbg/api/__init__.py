"""The Python API: boot a guest or open a recording, and do with it what the command line and gdb can.

    import vmdbg

    with vmdbg.launch("vmlinuz", initrd="initrd.cpio") as guest:
        guest.expect("login:")
        guest.send("root\\n")
        ...

The names here are also those of the package `vmdbg` itself.
"""

from vmdbg.api.boot import launch, open_recording, resume
from vmdbg.api.guest import Guest
from vmdbg.api.hit import Hit
from vmdbg.api.lab import Lab
from vmdbg.errors import EngineError, GuestError, RecordingError, UserError, VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.state_digest import DivergenceError

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
