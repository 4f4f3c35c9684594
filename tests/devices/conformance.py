"""The devices that every conformance test runs over. Add a factory to DEVICES for each new device.

A factory gets a fresh Scheduler, builds the device (with `scheduler.timer(NAME)` if it has deadlines), and
returns a Subject: the device, the windows that a guest can reach and the input lines that others drive. What a
user can add to the board (devices/catalog.py) is here by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.board.acpi_pm import PM_PORTS, AcpiPm
from devices.board.apm import APM_PORTS, Apm
from devices.board.coprocessor import CoprocessorError
from devices.board.dma import MASTER_PORTS, SLAVE_PORTS, Dma8237A
from devices.board.dma_page import DMA_PAGE_PORTS, DmaPage
from devices.board.dma_transfers import DmaTransfersState, TransferringDma
from devices.board.flash import BLOCK, Flash
from devices.board.fw_cfg import FwCfg, contents, fixed, number
from devices.board.port61 import Port61
from devices.board.port92 import Port92
from devices.board.smbus import SMBUS_SIZE, Smbus
from devices.catalog import FITTINGS
from devices.disk.ahci import Ahci
from devices.disk.cd_unit import CdUnit
from devices.disk.fdc import Fdc
from devices.disk.fdc_state import FdcState
from devices.disk.floppy_discs import FloppyDiscs, FloppyDiscsState
from devices.disk.floppy_formats import DriveType
from devices.disk.floppy_unit import FloppyUnit, FloppyUnitState
from devices.disk.ide import Ide
from devices.disk.medium import SECTOR
from devices.disk.nvme import Nvme
from devices.disk.unit import fit_disk
from devices.display.shared_vga import SharedVga
from devices.display.vga import Vga
from devices.display.vga_ports import VGA_PORTS
from devices.display.vga_text import VgaText
from devices.fitting import Fitting
from devices.interrupts.apic_bus import BROADCAST, InterruptMessage
from devices.interrupts.ioapic import IoApic
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_messages import ProcessorPins
from devices.interrupts.local_apics import LocalApics
from devices.interrupts.pic import CASCADE_IRQ, Pic
from devices.interrupts.x2apic import X2Apic
from devices.keyboard.i8042 import I8042
from devices.keyboard.i8042_aux import I8042WithMouse
from devices.network.cable import Cable
from devices.network.e1000.e1000 import E1000
from devices.network.rtl8139.cplus import Rtl8139Cplus
from devices.network.rtl8139.rtl8139 import Rtl8139
from devices.ninep.folder import Answer, Question
from devices.ninep.share import Share
from devices.ninep.unit import ShareUnit
from devices.pci.config_space import ConfigSpace as ConfigTarget
from devices.pci.config_space import Pin, Place
from devices.pci.host import CONFIG_PORTS, PciHost
from devices.pci.host_bridge import HostBridge
from devices.pci.piix import PIRQS, ROUTABLE_IRQS
from devices.pci.piix3 import IsaBridge
from devices.pci.piix4_pm import PowerManagement
from devices.scheduler import OwnedTimer, Scheduler
from devices.seam import AddressedDevice, BusMaster, DeviceInput, DeviceMemory, DmaChannel, Line, Rows
from devices.serial.com_ports import COM_PORT_SIZE, COM_PORTS
from devices.serial.feed import SerialFeed, feed_name
from devices.serial.uart import Uart16550A
from devices.timers.hpet import HPET_SIZE, ROUTES, Hpet
from devices.timers.hpet_legacy import ReplacedIrq
from devices.timers.pit import Pit
from devices.timers.rtc import Rtc
from devices.virtio.block import VirtioBlock
from devices.virtio.net import VirtioNet
from devices.virtio.ninep import Virtio9p
from devices.wiring.paged import PagedArea
from devices.wiring.shared_ports import PlainPorts, StreamPort
from devices.wiring.wired_or import WiredOr


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
class Inta:
    """Interrupt acknowledge cycles as an input: one for each time it is set high."""

    acknowledge: Callable[[], int]

    def set(self, level: bool) -> None:
        if level:
            self.acknowledge()


@dataclass(frozen=True)
class Window:
    """`length` bytes of ports or memory behind one AddressedDevice.

    Of a large window with few registers, `registers` are the ones that random accesses should find.
    """

    device: AddressedDevice
    length: int
    registers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Subject:
    device: Any
    windows: list[Window]
    inputs: list[Line] = field(default_factory=list)
    outputs: list[RecordingLine] = field(default_factory=list)
    areas: list[PagedArea] = field(default_factory=list)


DEVICES: dict[str, Callable[[Scheduler], Subject]] = {}


class Sink:
    """A backend for devices that send characters."""

    def transmit(self, data: int, now: int) -> None:
        pass


@dataclass
class Moves:
    """A devices.seam.Window that accesses reach wherever it is."""

    start: int | None = None

    def move(self, start: int | None) -> None:
        self.start = start


@dataclass
class Flat(BusMaster):
    """A devices.seam.BusMaster over 64 KiB that repeat everywhere, and in which nothing is kept: deadlines late or lost
    are a test's, not the memory's.
    """

    data: bytes = bytes(range(256)) * 256

    def read(self, address: int, size: int, request: str = "") -> bytes:
        start = address % len(self.data)
        return (self.data[start:] + self.data * (size // len(self.data) + 1))[:size]

    def write(self, address: int, data: bytes, request: str = "") -> None:
        """Kept nowhere."""

    def look(self, address: int, size: int) -> bytes:
        return self.read(address, size)


@dataclass
class Shows(Moves):
    """A devices.seam.MemoryWindow, which shows nothing."""

    offset: int = 0

    def aim(self, offset: int) -> None:
        self.offset = offset


class BenchMemory:
    """A devices.seam.DeviceMemory."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.windows: list[Shows] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        self._check(offset, size)
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self._check(offset, len(data))
        self.data[offset : offset + len(data)] = data

    def window(self, size: int, offset: int = 0, stores: AddressedDevice | None = None) -> Shows:
        self._check(offset, size)
        self.windows.append(Shows(offset=offset))
        return self.windows[-1]

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= len(self.data):
            raise ValueError(f"{size} bytes at {offset:#x} of {len(self.data):#x}")


@dataclass
class BenchSlot:
    """A devices.fitting.Slot with nothing else on the board."""

    name: str
    scheduler: Scheduler
    windows: list[Window] = field(default_factory=list)
    outputs: list[RecordingLine] = field(default_factory=list)
    moved: list[Moves] = field(default_factory=list)
    messages: list[tuple[int, int]] = field(default_factory=list)
    flat: Flat = field(default_factory=Flat)
    areas: list[PagedArea] = field(default_factory=list)
    dma: TransferringDma | None = None
    memories: list[BenchMemory] = field(default_factory=list)

    def share_ports(self, ports: range, memory: PlainPorts | StreamPort) -> None:
        pass

    def share_vga(self, vga: SharedVga, memory: DeviceMemory, part: AddressedDevice) -> None:
        pass

    def claim_ports(self, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        self.windows.append(Window(part, len(ports)))

    def claim_memory(self, addresses: range, part: AddressedDevice) -> None:
        self.windows.append(Window(part, len(addresses)))

    def window_ports(self, size: int, part: AddressedDevice, *, wide: bool = False) -> Moves:
        self.windows.append(Window(part, size))
        self.moved.append(Moves())
        return self.moved[-1]

    def window_memory(self, size: int, part: AddressedDevice) -> Moves:
        return self.window_ports(size, part)

    def bus_master(self) -> Flat:
        return self.flat

    def dma_channel(self, number: int) -> DmaChannel:
        self.dma = TransferringDma("dma1", lambda channel: 0)
        return self.dma.channel(number, self.flat)

    def pages(self, name: str, size: int) -> PagedArea:
        self.areas.append(PagedArea(name, size))
        return self.areas[-1]

    def memory(self, name: str, size: int) -> BenchMemory:
        self.memories.append(BenchMemory(size))
        return self.memories[-1]

    def msi(self) -> Callable[[int, int], None]:
        return lambda address, data: self.messages.append((address, data))

    def pci_function(self, target: ConfigTarget, pin: Pin, place: Place | None = None) -> Line:
        self.windows.append(Window(ConfigSpace(target), 256))
        self.outputs.append(RecordingLine())
        return self.outputs[-1]

    def irq(self, number: int) -> Line:
        self.outputs.append(RecordingLine())
        return self.outputs[-1]

    def any_irq(self, number: int) -> Line:
        return self.irq(number)

    def timer(self) -> OwnedTimer:
        return self.scheduler.timer(self.name)

    @property
    def option_rom(self) -> bytes:
        return b""

    @property
    def debug_output(self) -> Sink:
        return Sink()

    def end_run(self, code: int) -> None:
        pass


def fitted(fitting: Fitting) -> Callable[[Scheduler], Subject]:
    """A factory for what a user can add."""

    def make(scheduler: Scheduler) -> Subject:
        slot = BenchSlot(fitting.kind, scheduler)
        device = fitting.fit(slot, fitting.options())
        return Subject(device, slot.windows, outputs=slot.outputs, areas=slot.areas)

    return make


class Ready:
    """A UART that takes whatever comes."""

    def can_receive(self) -> bool:
        return True

    def receive(self, data: int, now: int) -> None:
        pass


class ConfigSpace:
    """A PCI function's configuration space as a window; the host lets no access across a dword through."""

    def __init__(self, function: ConfigTarget) -> None:
        self._function = function

    def read(self, offset: int, size: int, now: int) -> int:
        return self._function.read_config(offset, size) if (offset & 3) + size <= 4 else 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if (offset & 3) + size <= 4:
            self._function.write_config(offset, size, value)


def _ignore(*args: object) -> None:
    """A callback that nobody needs here."""


def _uart(scheduler: Scheduler) -> Subject:
    uart = Uart16550A("com1", RecordingLine(), scheduler.timer("com1"), Sink())
    return Subject(uart, [Window(uart, COM_PORT_SIZE)])


def _i8042(scheduler: Scheduler) -> Subject:
    return _keyboard_controller(I8042, scheduler)


def _i8042_with_mouse(scheduler: Scheduler) -> Subject:
    return _keyboard_controller(I8042WithMouse, scheduler)


def _keyboard_controller(kind: type[I8042], scheduler: Scheduler) -> Subject:
    lines = [RecordingLine() for _ in range(4)]
    chip = kind(*lines, scheduler.timer(I8042.name))
    return Subject(chip, [Window(chip.data, 1), Window(chip.command, 1)], outputs=lines)


def _acpi_pm(scheduler: Scheduler) -> Subject:
    chip = AcpiPm(RecordingLine(), scheduler.timer("acpi-pm"), _ignore)
    return Subject(chip, [Window(chip, len(PM_PORTS))])


def _feed(scheduler: Scheduler) -> Subject:
    port = COM_PORTS[0]
    return Subject(SerialFeed(port, Ready(), scheduler.timer(feed_name(port))), [])


def _wired_or(scheduler: Scheduler) -> Subject:
    line = WiredOr("a20", "gate of A20", RecordingLine())
    return Subject(line, [], [line.input(), line.input(level=True)])


def _one(device: Any, length: int) -> Callable[[Scheduler], Subject]:
    """A factory for a device without deadlines that is its own only window; `device` makes a fresh one."""

    def make(scheduler: Scheduler) -> Subject:
        fresh = device()
        return Subject(fresh, [Window(fresh, length)])

    return make


def _coprocessor(scheduler: Scheduler) -> Subject:
    lines = [RecordingLine(), RecordingLine()]
    chip = CoprocessorError(*lines)
    return Subject(chip, [Window(chip, 1)], [chip.ferr], lines)


def _host_bridge(scheduler: Scheduler) -> Subject:
    bridge = HostBridge()
    return Subject(bridge, [Window(ConfigSpace(bridge), 256)])


def _isa_bridge(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("isa-bridge", scheduler)
    lines = {irq: RecordingLine() for irq in ROUTABLE_IRQS}
    bridge = IsaBridge(slot, lines)
    return Subject(bridge, slot.windows, [bridge.pirq(number) for number in range(PIRQS)], list(lines.values()))


def _power_management(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("power-management", scheduler)
    return Subject(PowerManagement(slot, Smbus(), Smbus()), slot.windows[:1])


def _fw_cfg(scheduler: Scheduler) -> Subject:
    items = contents({5: number(1, 2)}, {"etc/a": fixed(bytes(range(256)))})
    slot = BenchSlot(FwCfg.name, scheduler)
    device = FwCfg(items, slot.timer(), slot.bus_master())
    return Subject(device, [Window(device, 2), Window(device.dma, 8)])


class Zeroes:
    """A medium of 64 sectors that has nothing in it."""

    sectors = 64
    read_only = False

    def read(self, sector: int, count: int) -> bytes:
        return bytes(SECTOR * count)

    def write(self, sector: int, data: bytes) -> None:
        """Kept nowhere."""

    def flush(self) -> None:
        """There is nothing to be kept."""


def _vga(scheduler: Scheduler) -> Subject:
    slot = BenchSlot(Vga.name, scheduler)
    return Subject(Vga(slot, b"\x55\xaa\x01" + bytes(509)), slot.windows, outputs=slot.outputs)


def _virtio_blk(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("virtio-disk0", scheduler)
    disk = VirtioBlock(slot, fit_disk(slot, Zeroes(), "1"))
    return Subject(disk, slot.windows, outputs=slot.outputs)


class NoFolder:
    """A folder that is gone."""

    def ask(self, number: int, question: Question, data: bytes = b"") -> Answer:
        return Answer(error=2)

    def recall(self, number: int) -> Answer:
        return Answer(error=2)


class EveryOther:
    """A network device that has room for every other frame."""

    def receive(self, frame: bytes, now: int) -> bool:
        return bool(frame[-1] & 1)

    def settle(self, now: int) -> None:
        pass

    def link_changed(self, now: int) -> None:
        pass


def _cable(scheduler: Scheduler) -> Subject:
    cable = Cable("net0", scheduler.timer("net0-cable"))
    cable.plug(EveryOther())
    return Subject(cable, [])


def _e1000(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("net0", scheduler)
    nic = E1000(slot, Cable("net0", scheduler.timer("net0-cable")), bytes.fromhex("525400123456"))
    registers = (0, 0x10, 0x20, 0xC0, 0xC8, 0xD0, 0x100, 0x400, 0x2808, 0x2818, 0x2820, 0x3808, 0x3818, 0x4074)
    slot.windows[0] = Window(nic, 0x20000, registers)
    return Subject(nic, slot.windows, outputs=slot.outputs)


def _rtl8139(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("net0", scheduler)
    nic = Rtl8139(slot, Cable("net0", scheduler.timer("net0-cable")), bytes.fromhex("525400123456"))
    return Subject(nic, slot.windows, outputs=slot.outputs)


def _rtl8139_cplus(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("net0", scheduler)
    nic = Rtl8139Cplus(slot, Cable("net0", scheduler.timer("net0-cable")), bytes.fromhex("525400123456"))
    return Subject(nic, slot.windows, outputs=slot.outputs)


def _virtio_net(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("net0", scheduler)
    nic = VirtioNet(slot, Cable("net0", scheduler.timer("net0-cable")), bytes.fromhex("525400123456"))
    return Subject(nic, slot.windows, outputs=slot.outputs)


def _ninep(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("virtio-share0", scheduler)
    share = Virtio9p(slot, ShareUnit(slot, Share("share0", "src", size=1 << 20), NoFolder(), 0), 0)
    return Subject(share, slot.windows, outputs=slot.outputs)


def _nvme(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("nvme-disk0", scheduler)
    disk = Nvme(slot, fit_disk(slot, Zeroes(), "1"))
    slot.windows[0] = Window(disk, slot.windows[0].length, (0x14, 0x24, 0x28, 0x30, 0x1000, 0x1004, 0x1008, 0x100C))
    return Subject(disk, slot.windows, outputs=slot.outputs)


def _ide(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("ide", scheduler)
    units = [fit_disk(slot, Zeroes(), "1"), None, CdUnit("cd0", "zeroes", {"zeroes": Zeroes()}.get, "2"), None]
    return Subject(Ide(slot, units), slot.windows, outputs=slot.outputs)


def _ahci(scheduler: Scheduler) -> Subject:
    slot = BenchSlot("ahci", scheduler)
    units = [fit_disk(slot, Zeroes(), "1"), CdUnit("cd0", "zeroes", {"zeroes": Zeroes()}.get, "2")]
    adapter = Ahci(slot, units)
    slot.windows[0] = Window(adapter, 0x1000, (4, 8, 0x110, 0x114, 0x118, 0x12C, 0x138, 0x190, 0x198, 0x1B8))
    return Subject(adapter, slot.windows, outputs=slot.outputs, areas=slot.areas)


@dataclass
class FloppyStates:
    """Of all that a floppy controller is joined to."""

    fdc: FdcState
    drive: FloppyUnitState
    discs: FloppyDiscsState
    dma: DmaTransfersState


class Floppies:
    """A controller, its drive with discs and its DMA controller, as one device."""

    name = Fdc.name
    State = FloppyStates
    INPUTS: tuple[type[DeviceInput], ...] = FloppyUnit.INPUTS

    def __init__(self, slot: BenchSlot) -> None:
        self.discs = FloppyDiscs(slot, {"fdc": Zeroes(), "b": Zeroes()}.get)
        self.drive = FloppyUnit("floppy0", DriveType.THREE_1440, self.discs, "b")
        self.fdc = Fdc(slot, [self.drive])
        assert slot.dma is not None
        self.dma = slot.dma
        self.on_event, self.take = self.fdc.on_event, self.drive.take

    def save(self) -> FloppyStates:
        return FloppyStates(self.fdc.save(), self.drive.save(), self.discs.save(), self.dma.save())

    def restore(self, state: FloppyStates) -> None:
        self.fdc.restore(state.fdc)
        self.drive.restore(state.drive)
        self.discs.restore(state.discs)
        self.dma.restore(state.dma)

    def describe(self, now: int) -> Rows:
        devices = (self.fdc, self.drive, self.discs, self.dma)
        return [row for device in devices for row in device.describe(now)]


def _fdc(scheduler: Scheduler) -> Subject:
    slot = BenchSlot(Fdc.name, scheduler)
    floppies = Floppies(slot)
    windows = [*slot.windows, Window(floppies.dma, len(MASTER_PORTS))]
    return Subject(floppies, windows, outputs=slot.outputs, areas=slot.areas)


def _cd(scheduler: Scheduler) -> Subject:
    return Subject(CdUnit("cd0", "", {}.get, "2"), [])


def _pic(scheduler: Scheduler) -> Subject:
    intr = RecordingLine()
    pic = Pic(intr)
    inputs = [pic.input(irq) for irq in range(16) if irq != CASCADE_IRQ]
    windows = [Window(pic.master, 2), Window(pic.slave, 2), Window(pic.elcr, 2)]
    return Subject(pic, windows, [*inputs, Inta(pic.acknowledge)], [intr])


def _pit(scheduler: Scheduler) -> Subject:
    irq0 = RecordingLine()
    pit = Pit(scheduler.timer(Pit.name), irq0)
    return Subject(pit, [Window(pit, 4)], [], [irq0])


def _port61(scheduler: Scheduler) -> Subject:
    port = Port61(Pit(scheduler.timer(Pit.name), RecordingLine()))
    return Subject(port, [Window(port, 1)])


def _replacing_hpet(scheduler: Scheduler) -> Subject:
    return _hpet(scheduler, (ReplacedIrq(RecordingLine()), ReplacedIrq(RecordingLine())))


def _hpet(scheduler: Scheduler, replaced: tuple[ReplacedIrq, ...] = ()) -> Subject:
    pins = {pin: RecordingLine() for pin in ROUTES}
    hpet = Hpet(scheduler.timer(Hpet.name), pins, _ignore, replaced)
    registers = (0x10, 0x20, 0xF0, *(0x100 + 0x20 * n + at for n in range(3) for at in (0, 4, 8, 12, 16, 20)))
    window = Window(hpet, HPET_SIZE, registers)
    return Subject(hpet, [window], [], list(pins.values()))


def _rtc(scheduler: Scheduler) -> Subject:
    irq8 = RecordingLine()
    rtc = Rtc(scheduler.timer(Rtc.name), irq8, 1_700_000_000)
    return Subject(rtc, [Window(rtc, 2)], [], [irq8])


LAPIC_REGISTERS = (0x320, 0x380, 0x390, 0x3E0, 0x350, 0x360, 0x80, 0xB0, 0xD0, 0xF0, 0x280, 0x300, 0x310)


def _lapics(kind: type[Lapic], lone: bool) -> Callable[[Scheduler], Subject]:
    """A factory for one, alone or in the middle of three that it sends to."""

    def make(scheduler: Scheduler) -> Subject:
        outputs = [RecordingLine() for _ in range(4)]
        intr, nmi, init, start = outputs
        pins = ProcessorPins(intr, nmi, lambda: init.set(True), lambda vector: start.set(bool(vector & 1)))
        lapic = kind(scheduler.timer(Lapic.name), pins, lambda: 0x20, 1)
        lapic.set_virtual_wire_mode()
        lapic.bus = LocalApics([lapic] if lone else [_Neighbour(0), lapic, _Neighbour(2)])
        inputs = [lapic.lint0, lapic.lint1, Inta(lapic.acknowledge)]
        windows = [Window(lapic, 0x1000, LAPIC_REGISTERS)]
        if isinstance(lapic, X2Apic):
            windows.append(Window(_Msrs(lapic), 0x1001, (*LAPIC_REGISTERS, 0x3F0, 0x1000, 0x1000)))
        return Subject(lapic, windows, inputs, outputs)

    return make


class _Msrs:
    """The MSRs of an x2APIC as a window: where the page has them, and IA32_APIC_BASE behind them."""

    def __init__(self, lapic: X2Apic) -> None:
        self._lapic = lapic

    def read(self, offset: int, size: int, now: int) -> int:
        return (self._lapic.read_msr(0x800 + (offset >> 4), now) or 0) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == 0x1000:
            self._lapic.set_base(0xFEE0_0000 | (value & 3) << 10)
        else:
            self._lapic.write_msr(0x800 + (offset >> 4), value, now)


@dataclass(frozen=True)
class _Neighbour:
    """Takes what comes, by its APIC ID."""

    apic_id: int
    arbitration_priority: int = 0x20
    takes_fixed: bool = True

    def is_destination(self, message: InterruptMessage) -> bool:
        return message.destination in (self.apic_id, BROADCAST)

    def accept(self, message: InterruptMessage) -> bool:
        return True


class Refusing:
    """An APIC bus on which every other message finds nobody, by its vector."""

    def deliver(self, message: InterruptMessage) -> bool:
        return message.vector % 2 == 0


def _ioapic(scheduler: Scheduler) -> Subject:
    ioapic = IoApic(Refusing())
    return Subject(ioapic, [Window(ioapic, 0x20)], [ioapic.input(pin) for pin in range(24)])


DEVICES.update(
    {
        "pic": _pic,
        "pit": _pit,
        "port61": _port61,
        "rtc": _rtc,
        "hpet": _hpet,
        "hpet with legacy replacement": _replacing_hpet,
        "lapic": _lapics(Lapic, lone=True),
        "lapic of several": _lapics(Lapic, lone=False),
        "x2apic": _lapics(X2Apic, lone=False),
        "ioapic": _ioapic,
        "uart": _uart,
        "com1-input": _feed,
        "i8042": _i8042,
        "i8042 with a mouse": _i8042_with_mouse,
        "acpi-pm": _acpi_pm,
        "a20": _wired_or,
        "host-bridge": _host_bridge,
        "fw-cfg": _fw_cfg,
        "vga": _one(VgaText, len(VGA_PORTS)),
        "vga std": _vga,
        "flash": _one(lambda: Flash(2 * BLOCK), 2 * BLOCK),
        "isa-bridge": _isa_bridge,
        "power-management": _power_management,
        "virtio-blk": _virtio_blk,
        "virtio-9p": _ninep,
        "cable": _cable,
        "virtio-net": _virtio_net,
        "e1000": _e1000,
        "rtl8139": _rtl8139,
        "rtl8139-cplus": _rtl8139_cplus,
        "nvme": _nvme,
        "ide": _ide,
        "ahci": _ahci,
        "cd0": _cd,
        "fdc": _fdc,
        "smbus": _one(Smbus, SMBUS_SIZE),
        "apm": _one(lambda: Apm(_ignore), len(APM_PORTS)),
        "pci": _one(lambda: PciHost(RecordingLine()), len(CONFIG_PORTS)),
        "coprocessor": _coprocessor,
        "port92": _one(lambda: Port92(RecordingLine(), RecordingLine()), 1),
        "dma-page": _one(DmaPage, len(DMA_PAGE_PORTS)),
        "dma1": _one(lambda: Dma8237A("dma1", 1), len(MASTER_PORTS)),
        "dma2": _one(lambda: Dma8237A("dma2", 2), len(SLAVE_PORTS)),
        "transferring dma1": _one(lambda: TransferringDma("dma1", lambda channel: 0), len(MASTER_PORTS)),
    }
    | {fitting.kind: fitted(fitting) for fitting in FITTINGS.values()}
)
