"""The MC146818A real-time clock with 128 bytes of CMOS RAM, ports 70h and 71h.

The clock starts from a date in the machine's configuration and advances with guest time alone.
Source: Motorola MC146818A data sheet; RAM above 0Eh as a PC's firmware uses it.
"""

from __future__ import annotations

import calendar
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from devices.seam import NANOSECONDS_PER_SECOND, Line, Rows, Timer
from devices.timers import rtc_calendar
from devices.timers.rtc_calendar import Encoding
from devices.wiring.shared_ports import PlainPorts

CMOS_SIZE = 128
REGISTER_A, REGISTER_B, REGISTER_C, REGISTER_D = range(0x0A, 0x0E)
A_UIP, A_DIVIDER, A_RATE = 0x80, 0x70, 0x0F
DIVIDER_32_KHZ = 0x20
B_SET, B_PIE, B_AIE, B_UIE, B_DM, B_24_HOURS = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
C_IRQF, C_PF, C_AF, C_UF = 0x80, 0x40, 0x20, 0x10
D_VRT = 0x80
TIME_BASE_HZ = 32_768
UPDATE_NS = 1_984_000 + 244_000
"""UIP rises 244 us before an update cycle of 1984 us (data sheet, table 6)."""
FIRST_UPDATE_NS = 500_000_000
"""The first update comes half a second after the divider chain leaves reset."""
NMI_DISABLE = 0x80
EVENTS = {"periodic": C_PF, "alarm": C_AF, "update": C_UF}
KIB, MIB = 1 << 10, 1 << 20
BOOT_FLOPPY, BOOT_DISK, BOOT_CDROM, BOOT_NETWORK = 1, 2, 3, 4
B_NAMES = {
    B_SET: "SET",
    B_PIE: "PIE",
    B_AIE: "AIE",
    B_UIE: "UIE",
    0x08: "SQWE",
    B_DM: "DM",
    B_24_HOURS: "24h",
    0x01: "DSE",
}
C_NAMES = {C_PF: "PF", C_AF: "AF", C_UF: "UF"}


@dataclass(slots=True)
class RtcState:
    """`instant` is the clock at guest time `origin`, both at an update; while stopped `instant` stands still.

    `origin` also gives the phase of the divider chain. `seen` is the time up to which flags have been set.
    """

    index: int = 0
    nmi_disabled: bool = False
    cmos: bytes = bytes(CMOS_SIZE)
    instant: int = 0
    weekday_offset: int = 0
    origin: int = 0
    seen: int = 0


class Rtc:
    """Offset 0 selects the register (bit 7 masks NMI), offset 1 is its data. The IRQ line is active high.

    `start` is the date at guest time 0: seconds since 1970-01-01 UTC, or a datetime (UTC if it has no zone).
    Raises ValueError for a start outside the years 1970 to 9999.
    """

    name = "rtc"
    title = "MC146818 clock and CMOS memory"
    State: ClassVar[type[RtcState]] = RtcState

    def __init__(self, timer: Timer, irq8: Line, start: int | datetime) -> None:
        instant = start if isinstance(start, int) else calendar.timegm(start.utctimetuple())
        if not 0 <= instant <= rtc_calendar.LAST_INSTANT:
            raise ValueError(f"the clock cannot start at {start}: only the years 1970 to 9999 fit")
        self._timer = timer
        self._irq8 = irq8
        self._state = RtcState(instant=instant)
        self.plain = PlainPorts()
        """Of the register's number, which is not read back; a BIOS tries to at each call."""
        self.plain.show(0, 0xFF)
        self._poke(REGISTER_A, DIVIDER_32_KHZ | 0x06)
        self._poke(REGISTER_B, B_24_HOURS)

    def read(self, offset: int, size: int, now: int) -> int:
        if offset != 1:
            return (1 << 8 * size) - 1
        index = self._state.index
        if index in rtc_calendar.TIME_REGISTERS:
            return self._time_registers(now)[index]
        if index == REGISTER_A:
            return self._state.cmos[REGISTER_A] | (A_UIP if self._update_in_progress(now) else 0)
        if index == REGISTER_C:
            return self._read_flags(now)
        if index == REGISTER_D:
            return D_VRT
        return self._state.cmos[index]

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        value &= 0xFF
        if offset == 0:
            self._state.index = value & 0x7F
            self._state.nmi_disabled = bool(value & NMI_DISABLE)
        elif offset == 1 and self._state.index not in (REGISTER_C, REGISTER_D):
            self._catch_up(now)
            self._write_register(self._state.index, value, now)
            self._update_irq()
            self._schedule(now)

    def on_event(self, name: str, now: int) -> None:
        self._catch_up(now)
        self._update_irq()
        self._schedule(now)

    def set_memory_size(self, below_4_gib: int, above_4_gib: int = 0) -> None:
        """Record the bytes of RAM where firmware does, from address 0 up and from 4 GiB up."""
        self._poke_word(0x15, min(640, below_4_gib // KIB))
        for place in (0x17, 0x30):
            self._poke_word(place, max(0, min(0xFFFF, (below_4_gib - MIB) // KIB)))
        self._poke_word(0x34, max(0, min(0xFFFF, (below_4_gib - 16 * MIB) // (64 * KIB))))
        self._poke_word(0x5B, above_4_gib // (64 * KIB) & 0xFFFF)
        self._poke(0x5D, above_4_gib // (64 * KIB) >> 16 & 0xFF)
        self._sum_up()

    def set_floppies(self, kinds: Sequence[int]) -> None:
        """The types of the drives, two at most, as a PC's firmware has them. Nothing changes if there is none."""
        if not kinds:
            return
        first, second = (*kinds, 0, 0)[:2]
        self._poke(0x10, first << 4 | second)
        self._poke(0x14, self._state.cmos[0x14] | 0x01 | (len(kinds) - 1) << 6)
        self._sum_up()

    def set_boot_order(self, kinds: Sequence[int]) -> None:
        """Which kinds of device firmware tries, best first: BOOT_FLOPPY and the like, at most three of them.

        As QEMU and Bochs have it: two nibbles at 3Dh, the third in the upper one at 38h.
        """
        first, second, third = (*kinds, 0, 0, 0)[:3]
        self._poke(0x3D, second << 4 | first)
        self._poke(0x38, third << 4)

    @property
    def nmi_disabled(self) -> bool:
        """Bit 7 of port 70h."""
        return self._state.nmi_disabled

    @property
    def irq8(self) -> bool:
        """The level at IRQ#, active high here."""
        return bool(self._flags() & C_IRQF)

    def save(self) -> RtcState:
        return copy.copy(self._state)

    def restore(self, state: RtcState) -> None:
        self._state = copy.copy(state)

    def describe(self, now: int) -> Rows:
        """The registers, and the date and time at `now`."""
        cmos = self._state.cmos
        divider, rate = cmos[REGISTER_A] >> 4, cmos[REGISTER_A] & A_RATE
        return [
            ("index", f"{self._state.index:#04x}"),
            ("register A", f"{cmos[REGISTER_A]:#04x} divider {divider}, rate {rate}"),
            ("register B", f"{cmos[REGISTER_B]:#04x} {_names(cmos[REGISTER_B], B_NAMES)}"),
            ("register C", f"{cmos[REGISTER_C]:#04x} {_names(cmos[REGISTER_C], C_NAMES)}"),
            ("alarm", ":".join(f"{register:02x}" for register in self._alarm)),
            ("NMI", "masked" if self._state.nmi_disabled else "enabled"),
            ("clock", "running" if self._is_running else "stopped"),
            ("time", rtc_calendar.date(self._instant(now)).strftime("%Y-%m-%d %H:%M:%S")),
        ]

    @property
    def _encoding(self) -> Encoding:
        b = self._state.cmos[REGISTER_B]
        return Encoding(binary=bool(b & B_DM), hours_24=bool(b & B_24_HOURS))

    @property
    def _alarm(self) -> tuple[int, int, int]:
        """The alarm registers: hours, minutes, seconds."""
        cmos = self._state.cmos
        hours, minutes, seconds = (cmos[register] for register in rtc_calendar.ALARM_REGISTERS)
        return hours, minutes, seconds

    @property
    def _divider_runs(self) -> bool:
        return self._state.cmos[REGISTER_A] & A_DIVIDER == DIVIDER_32_KHZ

    @property
    def _is_running(self) -> bool:
        return self._divider_runs and not self._state.cmos[REGISTER_B] & B_SET

    @property
    def _period(self) -> int | None:
        """The periodic interrupt's period in time base cycles (data sheet, table 5), None if it is off."""
        rate = self._state.cmos[REGISTER_A] & A_RATE
        if rate == 0 or not self._divider_runs:
            return None
        return 1 << (rate - 1 if rate > 2 else rate + 6)

    def _instant(self, now: int) -> int:
        state = self._state
        if not self._is_running:
            return state.instant
        return state.instant + (now - state.origin) // NANOSECONDS_PER_SECOND

    def _update_in_progress(self, now: int) -> bool:
        if not self._is_running:
            return False
        return (now - self._state.origin) % NANOSECONDS_PER_SECOND >= NANOSECONDS_PER_SECOND - UPDATE_NS

    def _time_registers(self, now: int) -> dict[int, int]:
        """What the time registers read as: while SET is up, what software has written so far."""
        cmos = self._state.cmos
        if cmos[REGISTER_B] & B_SET:
            return {register: cmos[register] for register in rtc_calendar.TIME_REGISTERS}
        return rtc_calendar.encode(self._instant(now), self._state.weekday_offset, self._encoding)

    def _write_register(self, index: int, value: int, now: int) -> None:
        if index == REGISTER_A:
            self._write_a(value & ~A_UIP, now)
        elif index == REGISTER_B:
            self._write_b(value, now)
        elif index in rtc_calendar.TIME_REGISTERS and not self._state.cmos[REGISTER_B] & B_SET:
            registers = self._time_registers(now) | {index: value}
            self._set_clock(registers, now)
        else:
            self._poke(index, value)

    def _write_a(self, value: int, now: int) -> None:
        """Stopping the divider chain stops the clock; starting it sets the phase of seconds."""
        state = self._state
        ran = self._divider_runs
        state.instant = self._instant(now)
        state.origin += (now - state.origin) // NANOSECONDS_PER_SECOND * NANOSECONDS_PER_SECOND if ran else 0
        self._poke(REGISTER_A, value)
        if self._divider_runs and not ran:
            state.origin = now - FIRST_UPDATE_NS

    def _write_b(self, value: int, now: int) -> None:
        """SET freezes the time registers for software to write and clears UIE; its end starts the clock."""
        was_set = self._state.cmos[REGISTER_B] & B_SET
        if value & B_SET:
            value &= ~B_UIE
            if not was_set:
                for register, byte in self._time_registers(now).items():
                    self._poke(register, byte)
                self._state.instant = self._instant(now)
        registers = self._time_registers(now)
        self._poke(REGISTER_B, value)
        if was_set and not value & B_SET:
            self._set_clock(registers, now)

    def _set_clock(self, registers: dict[int, int], now: int) -> None:
        state = self._state
        state.instant, state.weekday_offset = rtc_calendar.decode(registers, self._encoding)
        if self._divider_runs:
            state.origin = now - (now - state.origin) % NANOSECONDS_PER_SECOND

    def _read_flags(self, now: int) -> int:
        """Register C: reading it clears all flags and lets the IRQ line fall."""
        self._catch_up(now)
        flags = self._flags()
        self._poke(REGISTER_C, 0)
        self._update_irq()
        self._schedule(now)
        return flags

    def _flags(self) -> int:
        """PF, AF and UF with IRQF, which is up while one of them is enabled in register B."""
        flags = self._state.cmos[REGISTER_C]
        return flags | (C_IRQF if flags & self._state.cmos[REGISTER_B] else 0)

    def _catch_up(self, now: int) -> None:
        """Set the flags of everything that has happened since last time."""
        for flag, due in self._next(self._state.seen):
            if due <= now:
                self._poke(REGISTER_C, self._state.cmos[REGISTER_C] | flag)
        self._state.seen = max(now, self._state.seen)

    def _next(self, after: int) -> Iterator[tuple[int, int]]:
        """Each flag with the time at which it is next set, later than `after`."""
        state = self._state
        if self._period is not None:
            cycles = (after - state.origin) * TIME_BASE_HZ // NANOSECONDS_PER_SECOND
            cycles = (cycles // self._period + 1) * self._period
            yield C_PF, state.origin - (-cycles * NANOSECONDS_PER_SECOND // TIME_BASE_HZ)
        if self._is_running:
            yield C_UF, self._time_of(self._instant(after) + 1)
            due = rtc_calendar.next_alarm(self._instant(after), self._alarm, self._encoding)
            if due is not None:
                yield C_AF, self._time_of(due)

    def _time_of(self, instant: int) -> int:
        return self._state.origin + (instant - self._state.instant) * NANOSECONDS_PER_SECOND

    def _update_irq(self) -> None:
        self._irq8.set(self.irq8)

    def _schedule(self, now: int) -> None:
        """A deadline for each enabled flag that is not set yet."""
        b, c = self._state.cmos[REGISTER_B], self._state.cmos[REGISTER_C]
        wanted = b & ~c
        due = dict(self._next(now)) if wanted & (B_PIE | B_AIE | B_UIE) else {}
        for name, flag in EVENTS.items():
            if wanted & flag and flag in due:
                self._timer.schedule(name, due[flag])
            else:
                self._timer.cancel(name)

    def _poke(self, index: int, value: int) -> None:
        cmos = self._state.cmos
        self._state.cmos = cmos[:index] + bytes((value,)) + cmos[index + 1 :]

    def _sum_up(self) -> None:
        """The checksum of the configuration."""
        checksum = sum(self._state.cmos[0x10:0x2E])
        self._poke(0x2E, checksum >> 8 & 0xFF)
        self._poke(0x2F, checksum & 0xFF)

    def _poke_word(self, index: int, value: int) -> None:
        self._poke(index, value & 0xFF)
        self._poke(index + 1, value >> 8)


def _names(value: int, names: dict[int, str]) -> str:
    return " ".join(name for bit, name in names.items() if value & bit)
