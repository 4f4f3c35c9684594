"""Pictures of the screen as files."""

from __future__ import annotations

from pathlib import Path

from devices.display.frame import Frame
from vmdbg.document.terminal_graphics import png
from vmdbg.errors import UserError
from vmdbg.session.new_files import written_new
from vmdbg.session.screen import frame_of
from vmdbg.session.session import Session

SUFFIX = ".png"


def write_screenshot(session: Session, name: str) -> tuple[Path, Frame]:
    """Into a new file of that name, which gets .png if it has no suffix. Raises UserError."""
    suffix = Path(name).suffix.lower()
    if suffix not in ("", SUFFIX):
        raise UserError(f"pictures are PNG files, and {name} is to be a {suffix} file: name it FILE{SUFFIX}")
    frame = frame_of(session.debugger.machine)
    data = png(frame)
    path = session.files.place(name if suffix else name + SUFFIX, len(data))
    with written_new(path) as file:
        file.write(data)
    return path, frame
