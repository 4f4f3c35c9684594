"""Links within a folder."""

from __future__ import annotations


def leads_out(path: bytes, target: bytes) -> bool:
    """Whether a link at `path` that says `target` leads out of the folder, no part of the way being another link."""
    if target.startswith(b"/"):
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += {b"..": -1, b".": 0, b"": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
