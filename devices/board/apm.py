"""Advanced power management ports B2h and B3h, through which an OS asks the firmware for ACPI mode.

Source: Intel 82371AB data sheet, APMC and APMS; ACPI specification 6.5, 4.8.2.5. On a real machine a write to
B2h is a system management interrupt; here the monitor does what the firmware's handler would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.seam import Rows

APM_PORTS = range(0xB2, 0xB4)
APM_CONTROL = 0
ACPI_ENABLE = 0xF1
ACPI_DISABLE = 0xF0


@dataclass(slots=True)
class ApmState:
    control: int = 0
    status: int = 0


class Apm:
    """Two byte-wide latches. `set_acpi_mode` gets (enabled, now) for the two commands that the FADT names."""

    name = "apm"
    title = "command and status latches of APM"
    State: ClassVar[type[ApmState]] = ApmState

    def __init__(self, set_acpi_mode: Callable[[bool, int], None]) -> None:
        self._set_acpi_mode = set_acpi_mode
        self._state = ApmState()

    def read(self, offset: int, size: int, now: int) -> int:
        return self._state.control if offset == APM_CONTROL else self._state.status

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset != APM_CONTROL:
            self._state.status = value & 0xFF
            return
        self._state.control = value & 0xFF
        if value in (ACPI_ENABLE, ACPI_DISABLE):
            self._set_acpi_mode(value == ACPI_ENABLE, now)

    def save(self) -> ApmState:
        return copied(self._state)

    def restore(self, state: ApmState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        return [("APM control", f"{self._state.control:02x}"), ("APM status", f"{self._state.status:02x}")]
