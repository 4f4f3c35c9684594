"""The PC's chips and how they are wired. Names of events and states are the devices' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from devices.board.acpi_pm import PM_PORTS, SCI_IRQ, AcpiPm
from devices.board.apm import APM_PORTS, Apm
from devices.board.dma import MASTER_PORTS, SLAVE_PORTS, Dma8237A
from devices.board.dma_page import DMA_PAGE_PORTS, DmaPage
from devices.board.port61 import Port61
from devices.board.port92 import Port92
from devices.board.test_exit import TEST_EXIT_PORT, TEST_EXIT_SIZE, TestExit
from devices.interrupts.ioapic import IoApic
from devices.interrupts.lapic import Lapic
from devices.interrupts.pic import Pic
from devices.keyboard.i8042 import AUX_IRQ, I8042, KEYBOARD_IRQ
from devices.pci.host import CONFIG_PORTS, PciHost
from devices.pci.host_bridge import HOST_BRIDGE_DEVICE, HostBridge
from devices.scheduler import Scheduler
from devices.seam import Line
from devices.serial.backend import Backend
from devices.serial.com_ports import COM_PORT_SIZE, COM_PORTS
from devices.serial.debugcon import BOCHS_PORT, SEABIOS_PORT, DebugConsole
from devices.serial.feed import SerialFeed
from devices.serial.uart import Uart16550A
from devices.timers.pit import Pit
from devices.timers.rtc import Rtc
from devices.wiring.bus import PortBus
from devices.wiring.irq import FanOut, isa_line
from devices.wiring.memory_bus import MemoryBus
from devices.wiring.wired_or import WiredOr
from vmdbg.machine.config import MachineConfig

LAPIC_BASE = 0xFEE00000
IOAPIC_BASE = 0xFEC00000
WINDOW = 0x1000
RTC_IRQ = 8


class Board(Protocol):
    """What the machine offers its chips."""

    def power_off(self) -> None: ...

    def end_run(self, code: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Pins:
    """Lines that leave the chips."""

    intr: Line
    nmi: Line
    a20: Line
    reset: Line


class Pc:
    """All chips, by name in `devices`; those with deadlines are called through `on_event`."""

    def __init__(
        self, config: MachineConfig, scheduler: Scheduler, pins: Pins, board: Board, backends: Backends
    ) -> None:
        self.ports = PortBus()
        self.memory = MemoryBus()
        self.config = config
        self._scheduler = scheduler
        self.devices: dict[str, Any] = {}
        self._interrupt_controllers(config, pins)
        self._timers(config)
        self._system_control(pins, board, backends)
        self._serial_ports(backends)

    def _add(self, device: Any) -> Any:
        self.devices[device.name] = device
        return device

    def _interrupt_controllers(self, config: MachineConfig, pins: Pins) -> None:
        self.lapic: Lapic | None = None
        pic_output = pins.intr
        if config.apic:
            self.lapic = self._add(
                Lapic(self._scheduler.timer("lapic"), pins.intr, pins.nmi, lambda: self.pic.acknowledge())
            )
            pic_output = self.lapic.lint0
        self.pic: Pic = self._add(Pic(pic_output))
        self.ioapic: IoApic | None = None
        if self.lapic is not None:
            self.ioapic = self._add(IoApic(self.lapic))
            self.lapic.on_end_of_interrupt(self.ioapic)
            self.lapic.set_virtual_wire_mode()
            self.memory.claim(range(LAPIC_BASE, LAPIC_BASE + WINDOW), self.lapic, "lapic")
            self.memory.claim(range(IOAPIC_BASE, IOAPIC_BASE + WINDOW), self.ioapic, "ioapic")
        for chip, base in ((self.pic.master, 0x20), (self.pic.slave, 0xA0), (self.pic.elcr, 0x4D0)):
            self.ports.claim(range(base, base + 2), chip, "pic")

    def irq(self, number: int) -> Line:
        """ISA interrupt request line 0 to 15."""
        if self.ioapic is None:
            return FanOut(self.pic.input(number))
        return isa_line(number, self.pic.input, self.ioapic.input)

    def _timers(self, config: MachineConfig) -> None:
        self.pit = self._add(Pit(self._scheduler.timer("pit"), self.irq(0)))
        self.ports.claim(range(0x40, 0x44), self.pit, "pit")
        self.ports.claim(range(0x61, 0x62), self._add(Port61(self.pit)), "port61")
        rtc = self._add(Rtc(self._scheduler.timer("rtc"), self.irq(RTC_IRQ), config.start))
        rtc.set_memory_size(config.memory)
        self.ports.claim(range(0x70, 0x72), rtc, "rtc")

    def _system_control(self, pins: Pins, board: Board, backends: Backends) -> None:
        a20 = self._add(WiredOr("a20", pins.a20))
        i8042 = self._add(I8042(self.irq(KEYBOARD_IRQ), self.irq(AUX_IRQ), a20.input(level=True), pins.reset))
        self.ports.claim(range(0x60, 0x61), i8042.data, "i8042")
        self.ports.claim(range(0x64, 0x65), i8042.command, "i8042")
        self.ports.claim(range(0x92, 0x93), self._add(Port92(a20.input(), pins.reset)), "port92")
        self.acpi_pm = self._add(AcpiPm(self.irq(SCI_IRQ), self._scheduler.timer("acpi-pm"), board.power_off))
        self.ports.claim(PM_PORTS, self.acpi_pm, "acpi-pm", wide=True)
        self.ports.claim(APM_PORTS, self._add(Apm(self.acpi_pm.set_acpi_mode)), "apm")
        pci = self._add(PciHost(pins.reset))
        pci.add(HOST_BRIDGE_DEVICE, 0, self._add(HostBridge()))
        self.ports.claim(CONFIG_PORTS, pci, "pci", wide=True)
        for name, ports, stride in (("dma1", MASTER_PORTS, 1), ("dma2", SLAVE_PORTS, 2)):
            self.ports.claim(ports, self._add(Dma8237A(name, stride)), name)
        self.ports.claim(DMA_PAGE_PORTS, self._add(DmaPage()), "dma-page")
        for name, port in (("debugcon", BOCHS_PORT), ("seabios-debugcon", SEABIOS_PORT)):
            self.ports.claim(range(port, port + 1), self._add(DebugConsole(name, backends.debug)), name)
        test_exit = self._add(TestExit(board.end_run))
        self.ports.claim(range(TEST_EXIT_PORT, TEST_EXIT_PORT + TEST_EXIT_SIZE), test_exit, "test-exit", wide=True)

    def _serial_ports(self, backends: Backends) -> None:
        self.feeds: list[SerialFeed] = []
        shared = {irq: self._add(WiredOr(f"irq{irq}", self.irq(irq))) for irq in sorted({p.irq for p in COM_PORTS})}
        for index, port in enumerate(COM_PORTS):
            line = shared[port.irq].input()
            uart = Uart16550A(port.name, line, self._scheduler.timer(port.name), backends.serial[index])
            self.ports.claim(range(port.base, port.base + COM_PORT_SIZE), self._add(uart), port.name)
            feed = SerialFeed(f"{port.name}-input", uart, self._scheduler.timer(f"{port.name}-input"))
            self.feeds.append(self._add(feed))

    def on_event(self, owner: str, name: str, now: int) -> None:
        self.devices[owner].on_event(name, now)

    def acknowledge(self) -> int:
        return self.lapic.acknowledge() if self.lapic is not None else self.pic.acknowledge()


@dataclass(frozen=True, slots=True)
class Backends:
    """Where the chips' characters go: one a COM port, and the debug consoles'."""

    serial: tuple[Backend, ...]
    debug: Backend
