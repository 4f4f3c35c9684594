"""Registers and requests of IDE channels in words."""

from __future__ import annotations

from devices.disk.ata import Command, Error, Status
from devices.disk.ata_disk import Direction
from devices.disk.bus_master import MasterStatus
from devices.disk.ide_channel import IdeChannel
from devices.disk.ide_drive import DriveState, IdeDrive, Phase
from devices.seam import Rows

CHANNELS = ("primary", "secondary")


def channel_rows(channel: IdeChannel) -> Rows:
    """The drives of a channel, what they are at, and its bus master."""
    name = CHANNELS[channel.number]
    rows: Rows = [(f"{name} channel", f"device {channel.selected} selected, interrupt {_level(channel.line)}")]
    for drive in channel.drives:
        if drive is not None:
            rows += _drive_rows(f"{name} {drive.number}", drive)
    master = channel.master.state
    rows.append((f"{name} bus master", f"{MasterStatus(master.status)!s}, PRD table at {master.table:#x}"))
    return rows


def _level(line: bool) -> str:
    return "asserted" if line else "not asserted"


def _drive_rows(title: str, drive: IdeDrive) -> Rows:
    state = drive.state
    rows: Rows = [
        (title, drive.name),
        (f"{title} status", _flags(Status(state.status))),
        (f"{title} error", _flags(Error(state.error))),
    ]
    if state.phase is not Phase.IDLE:
        rows.append((f"{title} request", request_text(state)))
    return rows


def _flags(value: Status | Error) -> str:
    return f"{int(value):#04x} {value.name or ''}".rstrip()


def request_text(state: DriveState) -> str:
    """What a drive is at."""
    try:
        command = Command(state.command).name.replace("_", " ")
    except ValueError:
        command = f"command {state.command:02x}h"
    words = [command, state.phase]
    if state.total:
        words.append(f"{state.total} sectors from {state.first}")
    if state.phase in (Phase.DATA_IN, Phase.DATA_OUT):
        way = "to" if state.direction is Direction.IN else "from"
        words.append(f"byte {state.index} of {state.edge} {way} the host")
    return ", ".join(words)
