"""The files that the page is made of: read once, found by their exact names, so that no path leads anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import isfile
from pathlib import Path

from vmdbg.web.errors import NoBrowserViewError

FOLDER = Path(__file__).parent / "page"
BUILT = ("vendor/xterm.mjs", "vendor/xterm.css", "vendor/addon-fit.mjs")
"""Put there by npm."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
MISSING = "the browser view is not built in this tree: `make web` does it, with npm (on Debian: apt-get install npm)"


@dataclass(frozen=True, slots=True)
class PageFile:
    """`kind` is its media type."""

    kind: str
    content: bytes


def page_files(folder: Path = FOLDER) -> dict[str, PageFile]:
    """By name, with `/` between folder and file; "" is the page itself. Raises NoBrowserViewError."""
    if any(not isfile(folder / name) for name in BUILT):
        raise NoBrowserViewError(MISSING)
    found = {
        path.relative_to(folder).as_posix(): PageFile(TYPES[path.suffix], path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and isfile(path)
    }
    found[""] = found["index.html"]
    return found
