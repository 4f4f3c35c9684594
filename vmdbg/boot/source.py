"""Reading the files a user names, with limits, and with errors that say what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vmdbg.boot.image import InputFile
from vmdbg.boot.layout import size_text
from vmdbg.errors import UserError
from vmdbg.files import read_at_most

LARGEST_FILE = 4 << 30


def read_input(path: str | Path, what: str, limit: int = LARGEST_FILE) -> InputFile:
    """The contents of the file `path`, called `what` ("kernel", "initrd") in errors.

    Raises UserError when it cannot be read, is a directory or a device, is empty, or exceeds `limit` bytes.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            kind = os.fstat(file.fileno()).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
                raise UserError(f"{what} {name} is not a file: name a file")
            data = read_at_most(file, limit + 1)
    except IsADirectoryError:
        raise UserError(f"{what} {name} is a directory: name a file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"cannot read {what} {name}: {reason}") from None
    if len(data) > limit:
        raise UserError(f"{what} {name} is larger than {size_text(limit)}: it cannot be meant for a guest")
    if not data:
        raise UserError(f"{what} {name} is empty")
    return InputFile(name, memoryview(data))
