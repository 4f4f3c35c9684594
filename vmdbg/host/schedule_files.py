"""Schedules as users name them, files of turns among them."""

from __future__ import annotations

from vmdbg.boot.source import read_input
from vmdbg.document.layout import printable
from vmdbg.errors import UserError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.schedule import ROUND_ROBIN
from vmdbg.machine.schedule_list import parse_file
from vmdbg.machine.schedules import parse_schedule

FROM_FILE = "file:"
LARGEST_FILE = 32 << 20


def schedule(text: str) -> str:
    """What schedules.parse_schedule() takes of `text`, or of the file F in `file:F`. Raises UserError."""
    try:
        if text.startswith(FROM_FILE):
            return str(_of_file(text.removeprefix(FROM_FILE)))
        return str(parse_schedule(text))
    except ValueError as error:
        raise UserError(f"--schedule: {error}{'' if text.startswith(FROM_FILE) else f', or {FROM_FILE}FILE'}") from None


def _of_file(name: str) -> object:
    data = bytes(read_input(name, "schedule", LARGEST_FILE).data)
    return parse_file(data.decode("utf-8", "replace"), printable(name))


def refuse_useless(config: MachineConfig) -> None:
    """Raises UserError for several CPUs without what they need, and a schedule without several."""
    if config.cpus > 1 and not config.apic:
        raise UserError("several CPUs need their local APICs to reach each other: leave out --no-apic")
    if config.cpus == 1 and config.schedule != ROUND_ROBIN:
        raise UserError("--schedule says whose turn it is among several CPUs: give --cpus N too")
