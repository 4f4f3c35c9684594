"""Names that guests give of files, as paths within the folder."""

from __future__ import annotations

LONGEST = 1024


def inside(name: bytes) -> bytes | None:
    """A path for devices.ninep.folder.Question, "" for the folder itself; None for what is none, or leads out."""
    parts = [part for part in name.replace(b"\\", b"/").split(b"/") if part not in (b"", b".")]
    if len(name) > LONGEST or any(part == b".." or b"\0" in part for part in parts):
        return None
    return b"/".join(parts)
