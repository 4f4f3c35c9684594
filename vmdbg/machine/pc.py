"""The PC's chips and how they are wired. Names of events and states are the devices' names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from devices.board import isa
from devices.board.acpi_pm import PM_PORTS, PM_TIMER, SCI_IRQ, AcpiPm
from devices.board.apm import APM_PORTS, Apm
from devices.board.coprocessor import COPROCESSOR_IRQ, CoprocessorError
from devices.board.dma import Dma8237A
from devices.board.dma_page import DmaPage
from devices.board.port61 import Port61
from devices.board.port92 import Port92
from devices.catalog import FITTINGS
from devices.fitting import parse_choice
from devices.interrupts.apic_bus import signalled_message
from devices.interrupts.ioapic import IoApic
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_messages import ProcessorPins
from devices.interrupts.local_apics import LocalApics, OwnLocalApic
from devices.interrupts.pic import Pic
from devices.interrupts.x2apic import X2Apic
from devices.keyboard.i8042 import AUX_IRQ, I8042, KEYBOARD_IRQ
from devices.pci.config_space import ConfigSpace, Place
from devices.pci.config_space import Pin as PciPin
from devices.pci.host import CONFIG_PORTS, PciHost
from devices.pci.host_bridge import HOST_BRIDGE, HostBridge
from devices.pci.piix import PCI_IRQS, ROUTABLE_IRQS
from devices.scheduler import OwnedTimer, Scheduler
from devices.seam import (
    AddressedDevice,
    BusMaster,
    Device,
    DeviceInput,
    DeviceMemory,
    DmaChannel,
    EventDevice,
    InputDevice,
    Line,
    Pages,
    Timer,
    Window,
)
from devices.serial.backend import Backend
from devices.serial.com_ports import COM_PORTS
from devices.serial.debugcon import SEABIOS_PORT
from devices.serial.feed import SerialFeed, feed_name
from devices.serial.uart import Uart16550A
from devices.timers.hpet_legacy import ReplacedIrq
from devices.timers.pit import Pit
from devices.timers.rtc import Rtc
from devices.wiring.bus import PortBus
from devices.wiring.irq import FanOut, isa_line
from devices.wiring.memory_bus import MemoryBus
from devices.wiring.paged import PagedArea
from devices.wiring.shared_ports import PlainPorts, StreamPort
from devices.wiring.wired_or import WiredOr
from vmdbg.errors import UserError
from vmdbg.machine.bus_masters import BusMasters
from vmdbg.machine.config import Chipset, Display, FlashPlace, HpetMode, MachineConfig, has_floppies, io_apic_id
from vmdbg.machine.console import HVC_NAME
from vmdbg.machine.device_events import DeviceEvents
from vmdbg.machine.device_memory import BoardMemory
from vmdbg.machine.media import Media
from vmdbg.machine.memory_map import MemoryMap
from vmdbg.machine.outsides import Outside
from vmdbg.x86.ram import ram_parts

if TYPE_CHECKING:
    from devices.board.dma_transfers import TransferringDma
    from devices.board.flash import Flash
    from devices.display.shared_vga import SharedVga
    from devices.network.cable import Cable
    from vmdbg.machine.i440fx import I440fx

LAPIC_BASE = 0xFEE00000
APIC_BASE_MSR = 0x1B
IOAPIC_BASE = 0xFEC00000
WINDOW = 0x1000
RTC_IRQ = 8


BUILT_IN = ("debugcon", f"debugcon,port={SEABIOS_PORT:#x},id=seabios-debugcon", "test-exit")
_Fitted = TypeVar("_Fitted", bound=Device)


class Board(Protocol):
    """What the machine offers its chips."""

    def power_off(self) -> None: ...

    def end_run(self, code: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Pins:
    """Lines that leave the chips, one `cpus` a processor."""

    cpus: tuple[ProcessorPins, ...]
    a20: Line
    reset: Line
    ignne: Line
    """The boot CPU's."""


class Pc:
    """All devices, by name in `devices`; those with deadlines are called through `on_event`.

    Raises UserError for a device of `config` that there is not, or that is in another's way.
    """

    def __init__(
        self, config: MachineConfig, scheduler: Scheduler, pins: Pins, board: Board, backends: Backends
    ) -> None:
        self.ports = PortBus()
        self.memory = MemoryBus()
        self.memory_map = MemoryMap(config.memory, self.memory)
        self.bus_masters = BusMasters()
        self.device_events = DeviceEvents()
        backends.media.listeners.append(self.device_events.on_request)
        self.areas: list[PagedArea] = []
        self.cables: dict[str, Cable] = {}
        """Of network devices, by their names."""
        self.shared_ports: list[tuple[range, PlainPorts | StreamPort]] = []
        self.shared_vga: list[tuple[SharedVga, BoardMemory]] = []
        self.config = config
        self.board = board
        self.debug_output = backends.debug
        self._scheduler = scheduler
        self.devices: dict[str, Device] = {}
        self._with_deadlines: dict[str, EventDevice] = {}
        self._with_inputs: dict[str, InputDevice] = {}
        self._given_irqs: set[int] = set()
        self._shared_irqs: dict[int, WiredOr] = {}
        self.i440fx: I440fx | None = None
        self.dma: TransferringDma | None = None
        if config.hpet is HpetMode.LEGACY and config.chipset is not Chipset.I440FX:
            raise UserError(f"--hpet legacy: a {config.chipset} machine has no HPET: leave out --machine")
        if config.display is Display.STD and config.chipset is not Chipset.I440FX:
            raise UserError(f"--vga std: a {config.chipset} machine has no PCI bus for it: leave out --machine")
        self._interrupt_controllers(config, pins)
        if config.chipset is Chipset.I440FX:
            self._share_irqs()
        self._timers(config)
        self._system_control(pins, board)
        self._serial_ports(backends, gated=config.chipset is not Chipset.I440FX)
        for text in (*BUILT_IN, *config.devices):
            self._fit(text)
        self._fit_additions(config, backends)
        if self.i440fx is not None:
            self.i440fx.fit_fw_cfg(self)

    def add(self, device: _Fitted) -> _Fitted:
        self.devices[device.name] = device
        if isinstance(device, EventDevice):
            self._with_deadlines[device.name] = device
        if isinstance(device, InputDevice):
            self._with_inputs[device.name] = device
        return device

    def _claim(self, chip: Device, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        self.ports.claim(ports, part, chip.name, wide=wide)

    def _interrupt_controllers(self, config: MachineConfig, pins: Pins) -> None:
        self.running: Callable[[], int] = lambda: 0
        """The number of the CPU whose code runs, or which is looked at: whose local APIC is at their address."""
        self.lapics = self._local_apics(config, pins) if config.apic else ()
        self.pic = self.add(Pic(self.lapics[0].lint0 if self.lapics else pins.cpus[0].intr))
        self.ioapic: IoApic | None = None
        self.apic_bus = LocalApics(self.lapics)
        self.apic_bus.on_sent.append(lambda message, to: self.device_events.on_ipi(self.running(), message, to))
        if self.lapics:
            self.ioapic = self.add(IoApic(self.apic_bus, io_apic_id(config) if config.cpus > 1 else 0))
            self.memory.claim(range(IOAPIC_BASE, IOAPIC_BASE + WINDOW), self.ioapic, self.ioapic.name)
            own = self.lapics[0] if len(self.lapics) == 1 else OwnLocalApic(self.lapics, lambda: self.running())
            self.memory.claim(range(LAPIC_BASE, LAPIC_BASE + WINDOW), own, Lapic.name)
            for lapic in self.lapics:
                lapic.bus = self.apic_bus
                lapic.on_end_of_interrupt(self.ioapic)
            self.lapics[0].set_virtual_wire_mode()
        parts: tuple[AddressedDevice, ...] = (self.pic.master, self.pic.slave, self.pic.elcr)
        for part, ports in zip(parts, isa.PIC.ports, strict=True):
            self._claim(self.pic, ports, part)

    def _local_apics(self, config: MachineConfig, pins: Pins) -> tuple[Lapic, ...]:
        """ExtINT is the first one's alone. Several have x2APIC mode too."""
        kind = X2Apic if config.cpus > 1 else Lapic
        names = [Lapic.name, *(f"{Lapic.name}{cpu}" for cpu in range(1, config.cpus))]
        return tuple(
            self.add(kind(self.timer(name), lines, lambda: self.pic.acknowledge(), apic_id, name))
            for name, lines, apic_id in zip(names, pins.cpus, config.topology.apic_ids, strict=True)
        )

    @property
    def lapic(self) -> Lapic | None:
        """That of the CPU whose code runs."""
        return self.lapics[self.running()] if self.lapics else None

    def read_msr(self, msr: int, now: int) -> int | None:
        """Of the CPU whose code runs; None raises #GP(0)."""
        lapic = self.lapic
        return lapic.read_msr(msr, now) if isinstance(lapic, X2Apic) else None

    def write_msr(self, msr: int, value: int, now: int) -> bool:
        """Of the CPU whose code runs; False raises #GP(0). Without a local APIC IA32_APIC_BASE is a register only."""
        lapic = self.lapic
        if msr == APIC_BASE_MSR:
            return lapic is None or lapic.set_base(value)
        return isinstance(lapic, X2Apic) and lapic.write_msr(msr, value, now)

    def irq(self, number: int) -> Line:
        """ISA interrupt request line 0 to 15."""
        if number in self._shared_irqs:
            return self._shared_irqs[number].input()
        if self.ioapic is None:
            return FanOut(self.pic.input(number))
        return isa_line(number, self.pic.input, self.ioapic.input)

    def _share_irqs(self) -> None:
        """Each line that a PCI interrupt can be led to has several drivers."""
        shared = {irq: WiredOr(f"irq{irq}", f"interrupt line {irq}", self.irq(irq)) for irq in ROUTABLE_IRQS}
        self._shared_irqs = {irq: self.add(line) for irq, line in shared.items()}

    def _timers(self, config: MachineConfig) -> None:
        irq0, irq8 = ReplacedIrq(self.irq(0)), ReplacedIrq(self.irq(RTC_IRQ))
        self.pit = pit = self.add(Pit(self.timer(Pit.name), irq0))
        port61 = self.add(Port61(pit))
        rtc = self.add(Rtc(self.timer(Rtc.name), irq8, config.start))
        irq0.chip_level, irq0.on_replaced = lambda: pit.out0, pit.set_replaced
        irq8.chip_level = lambda: rtc.irq8
        self.replaced_irqs: tuple[ReplacedIrq, ...] = (irq0, irq8) if config.hpet is HpetMode.LEGACY else ()
        rtc.set_memory_size(*(size for _, size in ram_parts(config.memory)))
        if config.chipset is Chipset.I440FX:
            from vmdbg.machine.i440fx import boot_flags

            rtc.set_boot_order(boot_flags(config.boot))
        if has_floppies(config):
            from vmdbg.machine.floppies import floppies_of, floppy_type

            rtc.set_floppies([floppy_type(drive) for drive in floppies_of(config.drives)])
        self._claim(pit, isa.PIT.ports[0], pit)
        self._claim(port61, isa.SPEAKER.ports[0], port61)
        self.shared_ports.append((isa.SPEAKER.ports[0], port61.plain))
        self._claim(rtc, isa.RTC.ports[0], rtc)
        self.shared_ports.append((isa.RTC.ports[0][:1], rtc.plain))

    def _system_control(self, pins: Pins, board: Board) -> None:
        self.a20 = a20 = self.add(WiredOr("a20", "gate of address line 20", pins.a20))
        i8042 = self.add(self._keyboard_controller(a20.input(level=True), pins.reset))
        port92 = self.add(Port92(a20.input(), pins.reset))
        self.acpi_pm = acpi_pm = self.add(AcpiPm(self.irq(SCI_IRQ), self.timer(AcpiPm.name), board.power_off))
        self.ports.on_moved = self._find_pm_timer
        apm = self.add(Apm(acpi_pm.set_acpi_mode))
        self.pci = pci = self.add(PciHost(pins.reset))
        is_i440fx = self.config.chipset is Chipset.I440FX
        bridge = self.add(HostBridge(self._shadow if is_i440fx else None))
        pci.add(HOST_BRIDGE, bridge, HostBridge.name)
        if is_i440fx:
            from vmdbg.machine.i440fx import I440fx

            self.i440fx = I440fx(pci)
            self.i440fx.fit(self, acpi_pm)
            self.i440fx.fit_display(self)
        else:
            self._claim(acpi_pm, PM_PORTS, acpi_pm, wide=True)
        self.coprocessor = self.add(CoprocessorError(self.irq(COPROCESSOR_IRQ), pins.ignne))
        pages = self.add(DmaPage())
        dma1, dma2 = self.add(self._first_dma(pages)), self.add(Dma8237A("dma2", 2))
        self.flash = self._fit_flash(self.config.flash)
        self._claim(i8042, isa.KEYBOARD.ports[0], i8042.data)
        self._claim(i8042, isa.KEYBOARD.ports[1], i8042.command)
        self._claim(port92, isa.PORT92, port92)
        self.shared_ports.append((isa.PORT92, port92.plain))
        self._claim(apm, APM_PORTS, apm)
        self._claim(pci, CONFIG_PORTS, pci, wide=True)
        self._claim(self.coprocessor, isa.COPROCESSOR.ports[0], self.coprocessor)
        self._claim(dma1, isa.DMA.ports[0], dma1)
        self._claim(pages, isa.DMA.ports[1], pages)
        self._claim(dma2, isa.DMA.ports[2], dma2)

    def _find_pm_timer(self) -> None:
        self.acpi_pm.shared.port = self.ports.port_of(self.acpi_pm, PM_TIMER, 4) or 0

    def _keyboard_controller(self, a20: Line, reset: Line) -> I8042:
        parts = self.irq(KEYBOARD_IRQ), self.irq(AUX_IRQ), a20, reset, self.timer(I8042.name)
        if not self.config.mouse:
            return I8042(*parts)
        from devices.keyboard.i8042_aux import I8042WithMouse

        return I8042WithMouse(*parts)

    def _first_dma(self, pages: DmaPage) -> Dma8237A:
        """Its state is that of one which moves something only where some device can ask."""
        if not has_floppies(self.config):
            return Dma8237A("dma1", 1)
        from devices.board.dma_transfers import TransferringDma

        self.dma = TransferringDma("dma1", pages.page)
        return self.dma

    def dma_channel(self, number: int, device: str) -> DmaChannel:
        """For the device of that name. Raises ValueError where no controller moves anything."""
        if self.dma is None:
            raise ValueError("this board's DMA controllers move nothing")
        return self.dma.channel(number, self.bus_masters.port(device))

    def _shadow(self, addresses: range, reads: bool, writes: bool) -> None:
        self.memory_map.shadow(addresses, reads=reads, writes=writes)

    def _fit_flash(self, place: FlashPlace | None) -> Flash | None:
        """It has nothing in it yet."""
        if place is None:
            return None
        from devices.board.flash import Flash

        flash = self.add(Flash(place.size))
        self.memory.claim(range(place.address, place.address + place.size), flash, flash.name)
        return flash

    def _serial_ports(self, backends: Backends, *, gated: bool) -> None:
        shared = dict(self._shared_irqs)
        for irq in sorted({port.irq for port in COM_PORTS} - shared.keys()):
            ends = " and ".join(f"COM{n}" for n, port in enumerate(COM_PORTS, 1) if port.irq == irq)
            shared[irq] = self.add(WiredOr(f"irq{irq}", f"interrupt line that {ends} share", self.irq(irq)))
        for port, chip, backend in zip(COM_PORTS, isa.COMS, backends.serial, strict=True):
            line, timer = shared[port.irq].input(), self.timer(port.name)
            uart = self.add(Uart16550A(port.name, line, timer, backend, gated=gated))
            self._claim(uart, chip.ports[0], uart)
            self.shared_ports.append((chip.ports[0], uart.plain))
            self.add(SerialFeed(port, uart, self.timer(feed_name(port))))

    def _fit(self, text: str) -> None:
        try:
            choice = parse_choice(text, FITTINGS)
            if choice.name in self.devices:
                raise ValueError(f"there is a device {choice.name!r} already: give it another name with id=NAME")
            device = self.add(choice.fitting.fit(self.slot(choice.name), choice.options))
        except ValueError as error:
            raise UserError(f"--device {text}: {error}") from None
        assert device.name == choice.name, f"{text}: fitted as {device.name}"

    def _fit_additions(self, config: MachineConfig, backends: Backends) -> None:
        """What each user adds: its code is loaded for a machine that has it."""
        if config.drives:
            from vmdbg.machine.drives import fit_drives

            fit_drives(self, config.drives, backends.media)
        if config.shares:
            from vmdbg.machine.shares import fit_shares

            fit_shares(self, config.shares, backends.media, config.start)
        if config.nets:
            from vmdbg.machine.nets import fit_nets

            self.cables = fit_nets(self, config.nets, backends.outsides, self.device_events, backends.media)
        if config.hvc:
            self._fit_hvc(backends.hvc)

    def _fit_hvc(self, output: Backend) -> None:
        from devices.virtio.console import VirtioConsole

        try:
            self.add(VirtioConsole(self.slot(HVC_NAME), output))
        except ValueError as error:
            raise UserError(f"--virtio-console: {error}") from None

    def slot(self, name: str) -> BoardSlot:
        return BoardSlot(self, name)

    def timer(self, device: str) -> OwnedTimer:
        """Deadlines of a device, which has on_event()."""
        return self._scheduler.timer(device)

    def free_irq(self, number: int) -> Line:
        """One that nothing else has yet. Raises ValueError if there is no such."""
        taken = self._given_irqs if self.i440fx is None else {*self._given_irqs, *PCI_IRQS}
        free = [irq for irq in isa.FREE_IRQS if irq not in taken]
        if number not in free:
            raise ValueError(f"interrupt {number} is not free; {', '.join(map(str, free))} are")
        self._given_irqs.add(number)
        return self.irq(number)

    def taker(self, data: DeviceInput) -> InputDevice | None:
        """The device that takes such an input; None if there is none."""
        device = self._with_inputs.get(data.device)
        return device if device is not None and isinstance(data, device.INPUTS) else None

    def has_deadlines(self, owner: str) -> bool:
        """Whether there is a device of that name which on_event() knows."""
        return owner in self._with_deadlines

    def on_event(self, owner: str, name: str, now: int) -> None:
        self._with_deadlines[owner].on_event(name, now)

    def signal(self, device: str, address: int, data: int) -> None:
        """The device of that name stores to where a message signalled interrupt goes."""
        message = signalled_message(address, data)
        if message is not None:
            self.apic_bus.deliver(message)
            self.device_events.on_message(device, address, data, message)

    def acknowledge(self) -> int:
        """The vector for the CPU whose code runs."""
        return self.lapics[self.running()].acknowledge() if self.lapics else self.pic.acknowledge()


@dataclass(frozen=True, slots=True)
class BoardSlot:
    """devices.fitting.Slot."""

    pc: Pc
    name: str

    def claim_ports(self, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        self.pc.ports.claim(ports, part, self.name, wide=wide)

    def claim_memory(self, addresses: range, part: AddressedDevice) -> None:
        self.pc.memory.claim(addresses, part, self.name)

    def share_ports(self, ports: range, memory: PlainPorts | StreamPort) -> None:
        self.pc.shared_ports.append((ports, memory))

    def share_vga(self, vga: SharedVga, memory: DeviceMemory, part: AddressedDevice) -> None:
        assert isinstance(memory, BoardMemory), "memory of this board's"
        self.pc.memory_map.show(part, vga)
        self.pc.shared_vga.append((vga, memory))

    def window_ports(self, size: int, part: AddressedDevice, *, wide: bool = False) -> Window:
        return self.pc.ports.window(size, part, self.name, wide=wide)

    def window_memory(self, size: int, part: AddressedDevice) -> Window:
        return self.pc.memory.window(size, part, self.name)

    def pci_function(self, target: ConfigSpace, pin: PciPin, place: Place | None = None) -> Line:
        if self.pc.i440fx is None:
            raise ValueError(f"it sits on the PCI bus, which needs --machine {Chipset.I440FX}")
        return self.pc.i440fx.put(self.name, target, pin, place)

    def bus_master(self) -> BusMaster:
        return self.pc.bus_masters.port(self.name)

    def dma_channel(self, number: int) -> DmaChannel:
        return self.pc.dma_channel(number, self.name)

    def pages(self, name: str, size: int) -> Pages:
        area = PagedArea(f"{self.name}, {name}", size)
        self.pc.areas.append(area)
        return area

    def memory(self, name: str, size: int) -> DeviceMemory:
        return self.pc.memory_map.add_memory(size, f"{self.name}, {name}")

    def msi(self) -> Callable[[int, int], None]:
        return functools.partial(self.pc.signal, self.name)

    def irq(self, number: int) -> Line:
        return self.pc.free_irq(number)

    def any_irq(self, number: int) -> Line:
        return self.pc.irq(number)

    def timer(self) -> Timer:
        return self.pc.timer(self.name)

    @property
    def option_rom(self) -> bytes:
        return next((net.rom for net in self.pc.config.nets if net.name == self.name), b"")

    @property
    def debug_output(self) -> Backend:
        return self.pc.debug_output

    def end_run(self, code: int) -> None:
        self.pc.board.end_run(code)


@dataclass(frozen=True, slots=True)
class Backends:
    """Where the chips' characters go, one a COM port, the virtio console's and the debug consoles'; and the media, and
    where frames leave, by the network device's name.
    """

    serial: tuple[Backend, ...]
    hvc: Backend
    debug: Backend
    media: Media
    outsides: Mapping[str, Outside]
