"""What --schedule and --write-schedule ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.errors import UserError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.schedule import ROUND_ROBIN, OneAlone
from vmdbg.machine.schedules import parse_schedule
from vmdbg.session.schedule_files import schedule_text
from vmdbg.units import BOOT_CPU

if TYPE_CHECKING:
    from vmdbg.timeline.timeline import Timeline

SCHEDULE = "the schedule"


def schedule(text: str) -> str:
    """As schedule_text(). Raises UserError that names the option."""
    try:
        return schedule_text(text)
    except UserError as error:
        raise UserError(f"--schedule: {error}") from None


def note_turns(machine: Machine) -> None:
    """So that turns_text() can tell them. Raises UserError for a machine of one CPU."""
    if not machine.cpus.turns.several:
        raise UserError("--write-schedule writes whose turn it was among several CPUs: give --cpus N too")
    machine.cpus.turns.note()


def turns_text(machine: Machine, timeline: Timeline | None) -> str:
    """The turns up to here, as a file for `file:F` has them. Raises UserError if they cannot be told."""
    from vmdbg.machine.schedule_list import file_text  # for who writes such a file only

    if timeline is not None:
        from vmdbg.timeline.turns import turns_so_far

        return file_text(turns_so_far(timeline))
    log = machine.cpus.turns.log
    return file_text(log.turns(machine.clock) if log is not None else ())


def refuse_useless(config: MachineConfig) -> None:
    """Raises UserError for several CPUs without what they need, and a schedule without several."""
    if config.cpus > 1 and not config.apic:
        raise UserError("several CPUs need their local APICs to reach each other: leave out --no-apic")
    if config.cpus == 1 and config.schedule != ROUND_ROBIN:
        raise UserError("--schedule says whose turn it is among several CPUs: give --cpus N too")
    schedule = parse_schedule(config.schedule)
    if isinstance(schedule, OneAlone) and schedule.cpu != BOOT_CPU:
        raise UserError(f"--schedule {schedule}: nobody would start that CPU; the command `schedule` takes it later on")
