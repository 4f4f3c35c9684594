"""vmdbg: a deterministic, timeless virtual machine monitor made for debugging.

The Python API is in vmdbg.api; its names can be had from here, and are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.version import VERSION

if TYPE_CHECKING:
    from vmdbg.api import (
        DivergenceError,
        EngineError,
        Guest,
        GuestError,
        Hit,
        Lab,
        Position,
        RecordingError,
        UserError,
        VmdbgError,
        launch,
        open_recording,
        resume,
    )
    from vmdbg.notebook.extension import Shell

__version__ = VERSION

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
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import vmdbg.api

    return getattr(vmdbg.api, name)


def load_ipython_extension(shell: Shell) -> None:
    """`%load_ext vmdbg`."""
    from vmdbg.notebook.extension import load

    load(shell)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
