"""Registers and requests of a floppy controller in words."""

from __future__ import annotations

from collections.abc import Sequence

from devices.disk.fdc_commands import Code, MainStatus
from devices.disk.fdc_state import FdcState, Phase
from devices.disk.floppy_formats import Rate
from devices.disk.floppy_unit import FloppyUnit
from devices.seam import Rows

_RATES = {Rate.K500: "500 kbit/s", Rate.K300: "300 kbit/s", Rate.K250: "250 kbit/s", Rate.M1: "1 Mbit/s"}


def controller_rows(state: FdcState, status: int, units: Sequence[FloppyUnit]) -> Rows:
    """`status` is the main status register."""
    settings = state.settings
    rows: Rows = [
        ("DOR", f"{state.control:02x} {_control(state.control)}"),
        ("MSR", f"{status:02x} {_status(status)}".rstrip()),
        ("data rate", _RATES[Rate(state.rate)]),
        ("interrupt", "asserted" if state.interrupt else "not asserted"),
        ("SPECIFY", f"{settings.step_and_unload:02x} {settings.load_and_mode:02x}, {_mode(state)}"),
        ("CONFIGURE", f"{settings.configuration:02x}{', locked' if settings.locked else ''}"),
        ("request", request_text(state)),
    ]
    for number, unit in enumerate(units):
        seek = state.seeks[number]
        going = f", on its way to {seek.target}" if seek.target >= 0 else ""
        rows.append((f"drive {number}", f"{unit.name}, cylinder {seek.cylinder}{going}"))
    return rows


def _mode(state: FdcState) -> str:
    return "by the host" if state.settings.non_dma else "by DMA"


def _control(value: int) -> str:
    motors = [str(drive) for drive in range(4) if value >> 4 + drive & 1]
    words = [f"drive {value & 3}", "running" if value & 4 else "in reset"]
    words.append("interrupts and DMA" if value & 8 else "no interrupts and DMA")
    if motors:
        words.append(f"motor {', '.join(motors)}")
    return ", ".join(words)


def _status(value: int) -> str:
    names = {
        MainStatus.REQUEST: "RQM",
        MainStatus.TO_HOST: "DIO",
        MainStatus.NON_DMA: "NON DMA",
        MainStatus.COMMAND_BUSY: "CMD BSY",
    }
    return " ".join(name for bit, name in names.items() if value & bit)


def request_text(state: FdcState) -> str:
    """What it is at."""
    match state.phase:
        case Phase.COMMAND:
            return f"bytes of a command: {state.command.hex(' ')}" if state.command else "none"
        case Phase.RESULT:
            return f"result: {state.result.hex(' ')}"
        case Phase.EXECUTION:
            transfer = state.transfer
            code = Code(transfer.code).name.replace("_", " ")
            place = f"C {transfer.cylinder}, H {transfer.head}, R {transfer.sector}"
            return f"{code} in drive {transfer.drive}, {place}"
