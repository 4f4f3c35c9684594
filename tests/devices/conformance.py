"""The devices that every conformance test runs over. Add a factory to DEVICES for each new device.

A factory gets a fresh Scheduler, builds the device (with `scheduler.timer(NAME)` if it has deadlines), and
returns a Subject: the device, the windows that a guest can reach and the input lines that others drive. The
device has `name`, `State`, `save`, `restore`, `describe() -> list[tuple[str, str]]` and, with deadlines,
`on_event`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.acpi_pm import PM_PORTS, AcpiPm
from devices.apm import APM_PORTS, Apm
from devices.com_ports import COM_PORT_SIZE
from devices.debugcon import DebugConsole
from devices.dma import MASTER_PORTS, SLAVE_PORTS, Dma8237A
from devices.dma_page import DMA_PAGE_PORTS, DmaPage
from devices.host_bridge import HostBridge
from devices.i8042 import I8042
from devices.pci import CONFIG_PORTS, PciFunction, PciHost
from devices.port92 import Port92
from devices.scheduler import Scheduler
from devices.seam import AddressedDevice, Line
from devices.test_exit import TEST_EXIT_SIZE, TestExit
from devices.uart import Uart16550A
from devices.wired_or import WiredOr


@dataclass
class RecordingLine:
    """An output line that remembers every level it was set to."""

    level: bool = False
    history: list[bool] = field(default_factory=list)

    def set(self, level: bool) -> None:
        self.level = level
        self.history.append(level)

    def rises(self) -> int:
        before = [False, *self.history]
        return sum(now and not last for last, now in zip(before, self.history, strict=False))


@dataclass(frozen=True)
class Window:
    """`length` bytes of ports or memory behind one AddressedDevice."""

    device: AddressedDevice
    length: int


@dataclass(frozen=True)
class Subject:
    device: Any
    windows: list[Window]
    inputs: list[Line] = field(default_factory=list)


DEVICES: dict[str, Callable[[Scheduler], Subject]] = {}


class Sink:
    """A backend for devices that send characters."""

    def transmit(self, data: int, now: int) -> None:
        pass


class ConfigSpace:
    """A PCI function's configuration space as if it were a window."""

    def __init__(self, function: PciFunction) -> None:
        self._function = function

    def read(self, offset: int, size: int, now: int) -> int:  # noqa: ARG002 - the seam's signature
        return self._function.read_config(offset, size)

    def write(self, offset: int, size: int, value: int, now: int) -> None:  # noqa: ARG002 - the seam's signature
        self._function.write_config(offset, size, value)


def _ignore(*args: object) -> None:
    """A callback that nobody needs here."""


def _uart(scheduler: Scheduler) -> Subject:
    uart = Uart16550A("com1", RecordingLine(), scheduler.timer("com1"), Sink())
    return Subject(uart, [Window(uart, COM_PORT_SIZE)])


def _i8042(scheduler: Scheduler) -> Subject:  # noqa: ARG001 - a factory's signature
    chip = I8042(RecordingLine(), RecordingLine(), RecordingLine(), RecordingLine())
    return Subject(chip, [Window(chip.data, 1), Window(chip.command, 1)])


def _acpi_pm(scheduler: Scheduler) -> Subject:
    chip = AcpiPm(RecordingLine(), scheduler.timer("acpi-pm"), _ignore)
    return Subject(chip, [Window(chip, len(PM_PORTS))])


def _wired_or(scheduler: Scheduler) -> Subject:  # noqa: ARG001 - a factory's signature
    line = WiredOr("a20", RecordingLine())
    return Subject(line, [], [line.input(), line.input(level=True)])


def _one(device: Any, length: int) -> Callable[[Scheduler], Subject]:
    """A factory for a device without deadlines that is its own only window; `device` makes a fresh one."""

    def make(scheduler: Scheduler) -> Subject:  # noqa: ARG001 - a factory's signature
        fresh = device()
        return Subject(fresh, [Window(fresh, length)])

    return make


def _host_bridge(scheduler: Scheduler) -> Subject:  # noqa: ARG001 - a factory's signature
    bridge = HostBridge()
    return Subject(bridge, [Window(ConfigSpace(bridge), 256)])


DEVICES.update(
    {
        "uart": _uart,
        "i8042": _i8042,
        "acpi-pm": _acpi_pm,
        "a20": _wired_or,
        "host-bridge": _host_bridge,
        "apm": _one(lambda: Apm(_ignore), len(APM_PORTS)),
        "pci": _one(lambda: PciHost(RecordingLine()), len(CONFIG_PORTS)),
        "port92": _one(lambda: Port92(RecordingLine(), RecordingLine()), 1),
        "debugcon": _one(lambda: DebugConsole("debugcon", Sink()), 1),
        "test-exit": _one(lambda: TestExit(_ignore), TEST_EXIT_SIZE),
        "dma-page": _one(DmaPage, len(DMA_PAGE_PORTS)),
        "dma1": _one(lambda: Dma8237A("dma1", 1), len(MASTER_PORTS)),
        "dma2": _one(lambda: Dma8237A("dma2", 2), len(SLAVE_PORTS)),
    }
)
