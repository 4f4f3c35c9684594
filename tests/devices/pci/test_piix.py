"""The PIIX's functions: where interrupt pins lead, and where power management lies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.board.acpi_pm import AcpiPm
from devices.board.smbus import Smbus
from devices.pci.config_space import Place
from devices.pci.piix import ROUTABLE_IRQS, pirq_of
from devices.pci.piix3 import IsaBridge
from devices.pci.piix4_pm import PowerManagement
from devices.scheduler import Scheduler
from tests.devices.conformance import BenchSlot, RecordingLine

routes = st.sampled_from([0x80, 0x8B, *range(16)])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("route"), st.integers(0, 3), routes),
        st.tuples(st.just("line"), st.integers(0, 3), st.booleans()),
    ),
    max_size=40,
)


@given(steps)
def test_a_line_is_high_while_a_pirq_that_is_routed_to_it_is_asserted(steps: list[tuple[str, int, int]]) -> None:
    lines = {irq: RecordingLine() for irq in ROUTABLE_IRQS}
    bridge = IsaBridge(BenchSlot("isa-bridge", Scheduler()), lines)
    route, asserted = [0x80] * 4, [False] * 4
    for action, number, value in steps:
        if action == "route":
            bridge.function.write_config(0x60 + number, 1, value)
            route[number] = value
        else:
            bridge.pirq(number).set(bool(value))
            asserted[number] = bool(value)
        expected = {pirq for pirq, level in zip(route, asserted, strict=True) if level and pirq < 0x80}
        assert {irq for irq, line in lines.items() if line.level} == expected & set(ROUTABLE_IRQS)


def test_slots_begin_one_pirq_further_each() -> None:
    assert [pirq_of(Place(device), 1) for device in (1, 2, 3, 4, 5)] == [0, 1, 2, 3, 0]
    assert [pirq_of(Place(3), pin) for pin in (1, 2, 3, 4)] == [2, 3, 0, 1]


def test_power_management_lies_where_firmware_puts_it() -> None:
    slot = BenchSlot("power-management", Scheduler())
    chip = AcpiPm(RecordingLine(), Scheduler().timer("acpi-pm"), lambda: None)
    function = PowerManagement(slot, chip, Smbus()).function
    pm, smbus = slot.moved
    function.write_config(0x40, 4, 0xFFFF_B03F)
    assert function.read_config(0x40, 4) == 0xB001
    assert pm.start is None
    function.write_config(0x80, 1, 1)
    assert pm.start == 0xB000
    function.write_config(0x90, 2, 0x701)
    function.write_config(0xD2, 1, 0x09)
    assert (smbus.start, pm.start) == (0x700, 0xB000)
    function.write_config(0x80, 1, 0)
    assert pm.start is None


def test_a_transaction_on_the_smbus_ends_with_an_error_as_nobody_answers() -> None:
    smbus = Smbus()
    smbus.write(2, 1, 0x48, 0)
    assert smbus.read(0, 1, 0) & 0x04
    smbus.write(0, 1, 0x1E, 0)
    assert smbus.read(0, 1, 0) == 0
