"""ACPI fixed hardware: the PM1a event and control blocks, the PM timer and GPE0 of an Intel 82371AB (PIIX4).

Sources: Intel 82371AB data sheet, power management I/O registers; ACPI specification 6.5, 4.8.3 (fixed
hardware registers). The block is claimed as one window that takes accesses of any width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from devices.board.pm_timer import PmTimerMemory
from devices.copied import copied
from devices.seam import NANOSECONDS_PER_SECOND, DeviceInput, Line, Rows, Timer
from devices.wiring.bits import bit_names

PM_SIZE = 0x40
PM_PORTS = range(0x600, 0x600 + PM_SIZE)
"""Where they are where nobody can move them, and where firmware puts them."""
SCI_IRQ = 9

PM1_STATUS = 0x00
PM1_ENABLE = 0x02
PM1_CONTROL = 0x04
PM_TIMER = 0x08
GPE0_STATUS = 0x0C
GPE0_ENABLE = 0x0E

TMR_STS = 0x0001
PWRBTN_STS = 0x0100
PM1_STATUS_MASK = 0x8531
"""WAK_STS, RTC_STS, PWRBTN_STS, GBL_STS, BM_STS and TMR_STS."""
PM1_ENABLE_MASK = 0x0521
PM1_BITS = ("TMR", "", "", "", "BM", "GBL", "", "", "PWRBTN", "SLPBTN", "RTC", "", "", "", "", "WAK")

SCI_EN = 0x0001
PM1_CONTROL_KEPT = 0x1C03
"""SCI_EN, BM_RLD and SLP_TYP; GBL_RLS and SLP_EN read as zero."""
SLP_TYP_SHIFT = 10
SLP_EN = 0x2000
SLP_TYP_S5 = 0
"""What PIIX4 calls SUS_TYP 000, soft off. The DSDT's \\_S5 package must say the same."""

PM_TIMER_HZ = 3_579_545
PM_TIMER_BITS = 24
TIMER_OVERFLOW = "timer overflow"


@dataclass(slots=True)
class AcpiPmState:
    pm1_status: int = 0
    """Without TMR_STS, which follows from `timer_cleared`."""
    pm1_enable: int = 0
    pm1_control: int = 0
    gpe0_status: int = 0
    gpe0_enable: int = 0
    timer_cleared: int = 0
    """When TMR_STS was last cleared, in nanoseconds."""
    last_access: int = 0
    """When the guest last had to do with the chip, for showing the timer."""


@dataclass(frozen=True, slots=True)
class PowerButton:
    """The power button is pressed, shortly."""

    @property
    def device(self) -> str:
        return AcpiPm.name


def pm_timer_ticks(now: int) -> int:
    """Ticks of the PM timer since guest time 0, not yet cut to its width."""
    return now * PM_TIMER_HZ // NANOSECONDS_PER_SECOND


def _toggles(now: int) -> int:
    """How often the timer's top bit has changed since guest time 0 (ACPI 4.8.3.3: that is when TMR_STS is
    set).
    """
    return pm_timer_ticks(now) >> PM_TIMER_BITS - 1


def _next_toggle(now: int) -> int:
    """The first instant after `now` at which the top bit has changed."""
    ticks = (_toggles(now) + 1) << PM_TIMER_BITS - 1
    return -(-ticks * NANOSECONDS_PER_SECOND // PM_TIMER_HZ)


class AcpiPm:
    """`sci` is the level-triggered system control interrupt; `power_off` is called as the guest enters S5."""

    name = "acpi-pm"
    title = "ACPI power management: timer, buttons, sleep"
    State: ClassVar[type[AcpiPmState]] = AcpiPmState
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (PowerButton,)

    def __init__(self, sci: Line, timer: Timer, power_off: Callable[[], None]) -> None:
        self._sci = sci
        self._timer = timer
        self._power_off = power_off
        self._state = AcpiPmState()
        self.shared = PmTimerMemory()
        """Has `last_access`, whoever answers."""

    def read(self, offset: int, size: int, now: int) -> int:
        self.shared.last_access = now
        first, shift = offset & ~3, 8 * (offset & 3)
        value = self._register(first, now)
        if shift + 8 * size > 32:
            value |= self._register(first + 4, now) << 32
        return value >> shift & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.shared.last_access = now
        for lane in range(size):
            self._write_byte(offset + lane, value >> 8 * lane & 0xFF, now)
        self._update_sci(now)

    def set_acpi_mode(self, enabled: bool, now: int) -> None:
        """What firmware does on an ACPI_ENABLE or ACPI_DISABLE command: SCI_EN."""
        s = self._state
        s.pm1_control = s.pm1_control & ~SCI_EN | (SCI_EN if enabled else 0)
        self._update_sci(now)

    def take(self, data: PowerButton, now: int) -> None:
        """Sets PWRBTN_STS, which raises SCI if the guest enabled it."""
        self._state.pm1_status |= PWRBTN_STS
        self._update_sci(now)

    def on_event(self, name: str, now: int) -> None:
        del name
        self._update_sci(now)

    def save(self) -> AcpiPmState:
        return replace(self._state, last_access=self.shared.last_access)

    def restore(self, state: AcpiPmState) -> None:
        self._state = copied(state)
        self.shared.last_access = state.last_access

    def describe(self, now: int) -> Rows:
        s, looked = self._state, self.shared.last_access
        return [
            ("PM1_STS", bit_names(self._pm1_status(looked), PM1_BITS)),
            ("PM1_EN", bit_names(s.pm1_enable, PM1_BITS)),
            ("PM1_CNT", f"SCI_EN {s.pm1_control & SCI_EN} SLP_TYP {s.pm1_control >> SLP_TYP_SHIFT & 7}"),
            ("PM_TMR", f"{self._register(PM_TIMER, looked):06x}"),
            ("GPE0", f"status {s.gpe0_status:04x} enable {s.gpe0_enable:04x}"),
            ("SCI", "asserted" if self._sci_level(looked) else "not asserted"),
        ]

    def _pm1_status(self, now: int) -> int:
        overflowed = _toggles(now) != _toggles(self._state.timer_cleared)
        return self._state.pm1_status | (TMR_STS if overflowed else 0)

    def _register(self, at: int, now: int) -> int:
        """The dword at offset `at`, a multiple of 4. Registers of the PIIX4 that ACPI does not use read as
        zero.
        """
        s = self._state
        if at == PM1_STATUS:
            return self._pm1_status(now) | s.pm1_enable << 16
        if at == PM1_CONTROL:
            return s.pm1_control
        if at == PM_TIMER:
            return pm_timer_ticks(now) & (1 << PM_TIMER_BITS) - 1
        if at == GPE0_STATUS:
            return s.gpe0_status | s.gpe0_enable << 16
        return 0

    def _write_byte(self, at: int, value: int, now: int) -> None:
        s = self._state
        register, shift = at & ~1, 8 * (at & 1)
        kept, bits = 0xFF00 >> shift, value << shift
        if register == PM1_STATUS:
            s.pm1_status &= ~bits
            if bits & TMR_STS:
                s.timer_cleared = now
        elif register == PM1_ENABLE:
            s.pm1_enable = (s.pm1_enable & kept | bits) & PM1_ENABLE_MASK
        elif register == PM1_CONTROL:
            self._write_pm1_control(s.pm1_control & kept | bits)
        elif register == GPE0_STATUS:
            s.gpe0_status &= ~bits
        elif register == GPE0_ENABLE:
            s.gpe0_enable = s.gpe0_enable & kept | bits

    def _write_pm1_control(self, value: int) -> None:
        self._state.pm1_control = value & PM1_CONTROL_KEPT
        if value & SLP_EN and value >> SLP_TYP_SHIFT & 7 == SLP_TYP_S5:
            self._power_off()

    def _sci_level(self, now: int) -> bool:
        s = self._state
        pending = self._pm1_status(now) & s.pm1_enable or s.gpe0_status & s.gpe0_enable
        return bool(s.pm1_control & SCI_EN and pending)

    def _update_sci(self, now: int) -> None:
        s = self._state
        self._sci.set(self._sci_level(now))
        if s.pm1_enable & TMR_STS and not self._pm1_status(now) & TMR_STS:
            self._timer.schedule(TIMER_OVERFLOW, _next_toggle(now))
        else:
            self._timer.cancel(TIMER_OVERFLOW)
