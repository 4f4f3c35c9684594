"""The i440FX machine: what its PCI bus has besides the host bridge, and where interrupt pins lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from devices.board.acpi_pm import AcpiPm
from devices.board.fw_cfg import DMA_PORTS, SELECTOR_PORTS, FwCfg
from devices.board.smbus import Smbus
from devices.display.vga import Vga
from devices.display.vga_ports import STATUS, VGA_PORTS
from devices.display.vga_text import VgaText
from devices.fitting import Slot
from devices.interrupts.ioapic import IoApic
from devices.pci.config_space import ConfigSpace, Pin, Place
from devices.pci.host import PciHost
from devices.pci.piix import PIRQS, ROUTABLE_IRQS, pirq_of
from devices.pci.piix3 import IsaBridge
from devices.pci.piix4_pm import PowerManagement
from devices.seam import Device, Line
from devices.timers.hpet import HPET_BASE, HPET_SIZE, ROUTES, Hpet
from devices.timers.hpet_legacy import ReplacedIrq
from devices.timers.rtc import BOOT_CDROM, BOOT_DISK, BOOT_FLOPPY, BOOT_NETWORK
from devices.wiring.irq import FanOut
from devices.wiring.wired_or import WiredOr
from vmdbg.boot.firmware_config import FirmwareConfig, firmware_items
from vmdbg.machine.boot_paths import boot_paths
from vmdbg.machine.config import BootKind, BootOrder, Display, HpetMode, MachineConfig, has_floppies
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

FIRST_FREE_DEVICE = 3
"""What has no place of its own begins here: 0 is the host bridge, 1 the PIIX, 2 a display."""

_Fitted = TypeVar("_Fitted", bound=Device)


class Carrier(Protocol):
    """The board under it."""

    @property
    def config(self) -> MachineConfig: ...

    devices: dict[str, Device]
    ioapic: IoApic | None
    replaced_irqs: tuple[ReplacedIrq, ...]
    """Of the HPET, if it is to have legacy replacement."""

    def add(self, device: _Fitted) -> _Fitted: ...

    def irq(self, number: int) -> Line: ...

    def slot(self, name: str) -> Slot: ...


_FLAGS = {
    BootKind.DISK: BOOT_DISK,
    BootKind.FLOPPY: BOOT_FLOPPY,
    BootKind.CDROM: BOOT_CDROM,
    BootKind.NETWORK: BOOT_NETWORK,
}


def boot_flags(order: BootOrder) -> list[int]:
    """As CMOS has them."""
    return [_FLAGS[kind] for kind in order.kinds]


def firmware_config(
    config: MachineConfig, pm_base: Callable[[], int], boot_order: tuple[str, ...] = ()
) -> FirmwareConfig:
    """What firmware is told of a machine."""
    signature, _, _, features = build_table(find_model(config.cpu), apic=config.apic, topology=config.topology).cpuid(1)
    return FirmwareConfig(
        config.memory,
        config.apic,
        signature,
        features,
        pm_base,
        boot_order,
        menu=config.boot.menu,
        floppy=has_floppies(config),
        mouse=config.mouse,
        topology=config.topology,
        serial_console=config.display is not Display.STD,
        hpet_legacy=config.hpet is HpetMode.LEGACY,
    )


class I440fx:
    """ISA bridge, power management, and the four PCI interrupt lines that all functions share.

    Functions can be put on the bus once fit() was called.
    """

    isa_bridge: IsaBridge
    power_management: PowerManagement

    def __init__(self, pci: PciHost) -> None:
        self._pci = pci
        self._pirqs: list[WiredOr] = []

    def fit(self, carrier: Carrier, acpi_pm: AcpiPm) -> None:
        lines = {irq: carrier.irq(irq) for irq in ROUTABLE_IRQS}
        self.isa_bridge = carrier.add(IsaBridge(carrier.slot(IsaBridge.name), lines))
        for number, letter in enumerate("ABCD"[:PIRQS]):
            line = WiredOr(f"pirq{letter.lower()}", f"PCI interrupt line PIRQ{letter}#", self.isa_bridge.pirq(number))
            self._pirqs.append(carrier.add(line))
        slot = carrier.slot(PowerManagement.name)
        self.power_management = carrier.add(PowerManagement(slot, acpi_pm, carrier.add(Smbus())))
        self._fit_hpet(carrier)
        if carrier.config.display is Display.TEXT:
            slot, vga = carrier.slot(VgaText.name), carrier.add(VgaText())
            slot.claim_ports(VGA_PORTS, vga)
            slot.share_ports(VGA_PORTS[STATUS : STATUS + 1], vga.plain)

    def fit_display(self, carrier: Carrier) -> None:
        """What is more than text: beside the host bridge, whose other neighbours it does not move."""
        if carrier.config.display is Display.STD:
            carrier.add(Vga(carrier.slot(Vga.name), carrier.config.option_rom))

    def _fit_hpet(self, carrier: Carrier) -> None:
        """Without an I/O APIC its comparators can be led nowhere."""
        slot, ioapic = carrier.slot(Hpet.name), carrier.ioapic
        pins = {pin: ioapic.input(pin) for pin in ROUTES} if ioapic is not None else {}
        hpet = carrier.add(Hpet(slot.timer(), pins, slot.msi(), carrier.replaced_irqs))
        slot.claim_memory(range(HPET_BASE, HPET_BASE + HPET_SIZE), hpet)

    def fit_fw_cfg(self, carrier: Carrier) -> None:
        """All drives and network devices are there already."""
        slot, config = carrier.slot(FwCfg.name), carrier.config
        boot_order = boot_paths(config.drives, config.boot, self._pci, carrier.devices, config.nets)
        items = firmware_items(firmware_config(config, lambda: self.power_management.pm_base, boot_order))
        fw_cfg = carrier.add(FwCfg(items, slot.timer(), slot.bus_master()))
        slot.claim_ports(SELECTOR_PORTS, fw_cfg, wide=True)
        slot.claim_ports(DMA_PORTS, fw_cfg.dma, wide=True)

    def put(self, name: str, target: ConfigSpace, pin: Pin, place: Place | None) -> Line:
        """Slot.pci_function() for the device `name`."""
        place = place if place is not None else self._pci.free_device(FIRST_FREE_DEVICE)
        self._pci.add(place, target, name)
        if pin is Pin.NONE:
            return FanOut()
        return self._pirqs[pirq_of(place, pin)].input()
