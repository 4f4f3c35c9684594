from __future__ import annotations

import pytest

from devices.board.acpi_pm import PM_PORTS, PM_TIMER_HZ, AcpiPm, PowerButton
from devices.board.apm import ACPI_DISABLE, ACPI_ENABLE, APM_PORTS, Apm
from devices.scheduler import Scheduler
from devices.wiring.bus import PortBus
from tests.devices.conformance import RecordingLine

SECOND = 1_000_000_000
EVENT = PM_PORTS.start
CONTROL = EVENT + 4
TIMER = EVENT + 8
GPE0 = EVENT + 0xC


class Bench:
    def __init__(self) -> None:
        self.sci = RecordingLine()
        self.scheduler = Scheduler()
        self.offs = 0
        self.pm = AcpiPm(self.sci, self.scheduler.timer("acpi-pm"), self.power_off)
        self.bus = PortBus()
        self.bus.claim(PM_PORTS, self.pm, "acpi-pm", wide=True)
        self.bus.claim(APM_PORTS, Apm(self.pm.set_acpi_mode), "apm")
        self.now = 0

    def power_off(self) -> None:
        self.offs += 1

    def read(self, port: int, size: int) -> int:
        return self.bus.read(port, size, self.now)

    def write(self, port: int, size: int, value: int) -> None:
        self.bus.write(port, size, value, self.now)

    def run_to(self, now: int) -> None:
        while (event := self.scheduler.pop_due(now)) is not None:
            self.now = event.due
            self.pm.on_event(event.name, event.due)
        self.now = now


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_timer_counts_3579545_times_a_second(bench: Bench) -> None:
    assert bench.read(TIMER, 4) == 0
    bench.now = SECOND
    assert bench.read(TIMER, 4) == PM_TIMER_HZ
    bench.now = SECOND // 2
    assert bench.read(TIMER, 4) == PM_TIMER_HZ // 2


def test_timer_has_24_bits(bench: Bench) -> None:
    bench.now = 100 * SECOND
    assert bench.read(TIMER, 4) == 100 * PM_TIMER_HZ % (1 << 24)
    bench.write(TIMER, 4, 0)
    assert bench.read(TIMER, 4) == 100 * PM_TIMER_HZ % (1 << 24)


def test_narrow_reads_see_the_same_bytes(bench: Bench) -> None:
    bench.now = SECOND
    whole = bench.read(TIMER, 4)
    assert whole == sum(bench.read(TIMER + n, 1) << 8 * n for n in range(4))
    assert bench.read(TIMER + 1, 2) == whole >> 8 & 0xFFFF
    bench.write(EVENT, 4, 0x0120_0000)
    assert bench.read(EVENT + 2, 2) == 0x0120


def test_a_read_across_registers(bench: Bench) -> None:
    bench.write(EVENT + 2, 2, 0x0100)
    bench.write(CONTROL, 2, 0x0001)
    assert bench.read(EVENT + 2, 4) == 0x0001_0100


def test_acpi_mode_is_asked_for_through_port_b2(bench: Bench) -> None:
    assert bench.read(CONTROL, 2) & 1 == 0
    bench.write(0xB2, 1, ACPI_ENABLE)
    assert bench.read(CONTROL, 2) & 1 == 1
    assert bench.read(0xB2, 1) == ACPI_ENABLE
    bench.write(0xB2, 1, ACPI_DISABLE)
    assert bench.read(CONTROL, 2) & 1 == 0
    bench.write(0xB3, 1, 0x77)
    assert bench.read(0xB3, 1) == 0x77


def test_sleeping_in_s5_powers_off(bench: Bench) -> None:
    bench.write(CONTROL, 2, 0x0001)
    bench.write(CONTROL, 2, 5 << 10 | 0x2001)
    assert bench.offs == 0
    bench.write(CONTROL, 2, 0x0001)
    assert bench.offs == 0
    bench.write(CONTROL, 2, 0x2001)
    assert bench.offs == 1
    assert bench.read(CONTROL, 2) == 0x0001


def test_byte_writes_to_the_control_register(bench: Bench) -> None:
    bench.write(CONTROL, 1, 0x03)
    bench.write(CONTROL + 1, 1, 0x1C)
    assert bench.read(CONTROL, 2) == 0x1C03
    bench.write(CONTROL + 1, 1, 0x20)
    assert bench.offs == 1


def test_power_button_raises_sci_until_its_status_is_cleared(bench: Bench) -> None:
    bench.pm.take(PowerButton(), 0)
    assert not bench.sci.level
    bench.write(EVENT + 2, 2, 0x0100)
    assert not bench.sci.level
    bench.write(0xB2, 1, ACPI_ENABLE)
    assert bench.sci.level
    assert bench.read(EVENT, 2) == 0x0100
    bench.write(EVENT, 2, 0x0001)
    assert bench.sci.level
    bench.write(EVENT, 2, 0x0100)
    assert not bench.sci.level
    assert bench.read(EVENT, 2) == 0


def test_timer_status_is_set_when_the_top_bit_changes(bench: Bench) -> None:
    half = -(-(1 << 23) * SECOND // PM_TIMER_HZ)
    bench.now = half - 1
    assert bench.read(EVENT, 2) == 0
    bench.now = half
    assert bench.read(EVENT, 2) == 1
    bench.write(EVENT, 2, 1)
    assert bench.read(EVENT, 2) == 0
    bench.now = 2 * half
    assert bench.read(EVENT, 2) == 1


def test_enabled_timer_overflow_raises_sci_each_time(bench: Bench) -> None:
    bench.write(CONTROL, 2, 1)
    bench.write(EVENT + 2, 2, 1)
    half = -(-(1 << 23) * SECOND // PM_TIMER_HZ)
    bench.run_to(half - 1)
    assert not bench.sci.level
    bench.run_to(half)
    assert bench.sci.level
    bench.write(EVENT, 2, 1)
    assert not bench.sci.level
    bench.run_to(2 * half)
    assert bench.sci.level
    bench.write(EVENT + 2, 2, 0)
    assert not bench.sci.level
    assert bench.scheduler.events() == []


def test_gpe0_enable_is_kept_and_status_clears(bench: Bench) -> None:
    bench.write(GPE0 + 2, 2, 0x1234)
    bench.write(GPE0, 2, 0xFFFF)
    assert bench.read(GPE0, 4) == 0x1234_0000


def test_registers_without_acpi_use_read_as_zero(bench: Bench) -> None:
    assert bench.read(EVENT + 0x20, 4) == 0
    bench.write(EVENT + 0x20, 4, 0xFFFF_FFFF)
    assert bench.read(EVENT + 0x20, 4) == 0
