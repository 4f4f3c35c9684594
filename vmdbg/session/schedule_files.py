"""Schedules as users name them, files of turns among them."""

from __future__ import annotations

from vmdbg.boot.source import read_input
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.machine.schedule import Schedule
from vmdbg.machine.schedules import parse_schedule

FROM_FILE = "file:"
LARGEST_FILE = 32 << 20


def schedule_text(text: str) -> str:
    """What schedules.parse_schedule() takes: of `text`, or of the file F in `file:F`. Raises UserError."""
    try:
        if text.startswith(FROM_FILE):
            return str(_of_file(text.removeprefix(FROM_FILE)))
        return str(parse_schedule(text))
    except ValueError as error:
        raise UserError(f"{error}{'' if text.startswith(FROM_FILE) else f', or {FROM_FILE}FILE'}") from None


def _of_file(name: str) -> Schedule:
    from vmdbg.machine.schedule_list import parse_file  # for who has such a file only

    data = bytes(read_input(name, "schedule", LARGEST_FILE).data)
    return parse_file(data.decode("utf-8", "replace"), printable(name))
