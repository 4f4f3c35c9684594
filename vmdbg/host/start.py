"""From what the user named to a machine at its first instruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devices.board.isa import chips
from vmdbg.boot.acpi import AcpiConfig, acpi_segment
from vmdbg.boot.bios import VARIABLES
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, InputFile, Protocol, Segment
from vmdbg.boot.mp_table import MpConfig, mp_segment
from vmdbg.boot.source import read_input
from vmdbg.errors import EngineError, UserError
from vmdbg.host.sample import sample_kernel
from vmdbg.host.schedule_files import refuse_useless
from vmdbg.machine.chipset import has_guests_of_qemu
from vmdbg.machine.config import BootOrder, Chipset, Display, FlashPlace, HpetMode, MachineConfig, has_floppies
from vmdbg.machine.inputs import InputSource
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.power_on import power_on
from vmdbg.timeline.origin import BootOrigin, Origin
from vmdbg.units import Physical
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

if TYPE_CHECKING:
    from vmdbg.host.modules import ModuleChoice
    from vmdbg.host.nvram import NvramChoice, NvramFile
    from vmdbg.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What to boot and how: paths, or the kernel's own bytes. Without kernel and bios, firmware if the machine has
    drives, else the sample kernel.
    """

    kernel: str | bytes | None = None
    initrd: str | None = None
    modules: tuple[ModuleChoice, ...] = ()
    bios: str | None = None
    nvram: NvramChoice | None = None
    append: str = ""
    command_line: str | None = None
    via_decompressor: bool = False
    via_setup: bool = False
    real_mode: bool = False
    protocol: Protocol | None = None
    load_address: int | None = None
    mode: CpuMode | None = None
    seed: bytes = b"vmdbg"
    reboots: bool = True
    """Whether a reset starts a guest that began in firmware again; otherwise it ends the run."""


@dataclass(frozen=True, slots=True)
class Started:
    """A machine that has not run, and what was put into it. `timeline` if it has one already, as from a snapshot."""

    machine: Machine
    origin: Origin
    timeline: Timeline | None = None
    nvram: NvramFile | None = None
    """Where firmware's variables are kept, besides."""

    def close(self) -> None:
        """The machine, and all that the host has open for it."""
        self.machine.close()
        self.machine.media.close()
        if self.nvram is not None:
            self.nvram.close()


def start(
    files: GuestFiles, config: MachineConfig, inputs: InputSource | None = None, media: Media | None = None
) -> Started:
    """Read the files, lay the guest out and put it into a machine. Raises UserError, EngineError."""
    if files.initrd is not None and files.kernel is None:
        raise UserError("--initrd goes with a kernel, and none is named: give --kernel FILE too")
    if files.modules and files.kernel is None and files.bios is None:
        raise UserError("--module goes with a kernel, and none is named: give --kernel FILE too")
    if (config.drives or any(net.rom for net in config.nets)) and files.kernel is None and files.bios is None:
        from vmdbg.boot.installed_firmware import installed_seabios

        files = replace(files, bios=installed_seabios())
    _refuse_useless(files, config)
    refuse_useless(config)
    options = _options(files, config)
    image = boot_image(options)
    if files.real_mode and image.protocol not in (Protocol.MULTIBOOT, Protocol.MULTIBOOT2):
        raise UserError(f"--real-mode is for Multiboot kernels, but this is {image.protocol.value}: leave it out")
    config = with_firmware(config, image, reboots=files.reboots)
    machine = make_machine(config, inputs, media)
    power_on(machine, image)
    origin = BootOrigin(config, image, options, media=media)
    try:
        return Started(machine, origin, nvram=_nvram_file(files, machine))
    except BaseException:
        machine.close()
        raise


def _nvram_file(files: GuestFiles, machine: Machine) -> NvramFile | None:
    if files.nvram is None or not files.nvram.kept:
        return None
    if machine.pc.flash is None:
        why = f"{files.bios} is no UEFI firmware, or the machine is plain"
        raise UserError(f"there is no flash memory for --nvram: {why}")
    from vmdbg.host.nvram import NvramFile

    return NvramFile(files.nvram.path, machine.pc.flash, lambda: True)


def option_rom(display: Display) -> bytes:
    """What MachineConfig has of it. Raises UserError if it is not installed."""
    if display is not Display.STD:
        return b""
    from vmdbg.boot.installed_firmware import vgabios

    return vgabios()


def make_machine(config: MachineConfig, inputs: InputSource | None = None, media: Media | None = None) -> Machine:
    """A machine with nothing in its RAM. The native part is loaded here, so that the rest works without it."""
    try:
        from vmdbg.engine.unicorn import calibrated_engine
    except ImportError as error:
        raise EngineError(f"the native engine cannot be loaded ({error}): install vmdbg again") from None
    try:
        return Machine(config, calibrated_engine, inputs, media)
    except (MemoryError, OSError):
        raise UserError("this computer has too little free memory for the guest: give less --memory") from None


def engine_version() -> str:
    """The engine's name and version. The native part is loaded here."""
    from vmdbg.engine.unicorn.engine import ENGINE_VERSION

    return ENGINE_VERSION


def _kernel(files: GuestFiles, cpus: int) -> InputFile | None:
    match files.kernel:
        case bytes() as data:
            return InputFile("kernel", memoryview(data))
        case str() as path:
            return read_input(path, "kernel")
        case None:
            return sample_kernel(cpus) if files.bios is None else None


def _refuse_useless(files: GuestFiles, config: MachineConfig) -> None:
    """What only firmware would heed is not taken without any."""
    if files.bios is not None:
        return
    if files.nvram is not None:
        raise UserError("--nvram is for UEFI firmware: name that with --bios FILE")
    if any(drive.boot_index is not None for drive in config.drives):
        raise UserError("bootindex is for firmware: leave out the kernel, or name firmware with --bios FILE")
    if config.boot != BootOrder():
        raise UserError("--boot is for firmware: leave out the kernel, or name firmware with --bios FILE")


def _nvram(files: GuestFiles) -> InputFile | None:
    """What was named, or what lies beside firmware that needs it."""
    if files.bios is None:
        return None
    from vmdbg.boot.uefi import variables_beside
    from vmdbg.host.nvram import template_of

    path = variables_beside(files.bios)
    if files.nvram is not None:
        path = template_of(files.nvram, path)
    return read_input(path, "UEFI variables") if path is not None else None


def with_firmware(config: MachineConfig, image: BootImage, *, reboots: bool = True) -> MachineConfig:
    """The machine for a guest in firmware, which a reset starts again, and which may keep variables in flash memory."""
    if image.protocol is not Protocol.BIOS or config.chipset is not Chipset.I440FX:
        return config
    config = replace(config, restarts=reboots)
    for segment in image.segments:
        if segment.name == VARIABLES and segment.rom:
            return replace(config, flash=FlashPlace(segment.address, len(segment.data)))
    return config


def _acpi(config: MachineConfig) -> Segment:
    parts, topology = chips(floppy=has_floppies(config), mouse=config.mouse), config.topology
    if config.chipset is Chipset.PLAIN:
        return acpi_segment(AcpiConfig(parts, apic=config.apic, topology=topology))
    from devices.timers.hpet import identity  # for machines with a PCI bus only
    from vmdbg.boot.firmware_config import pci_window

    window = pci_window(config.memory)
    hpet = identity(legacy=config.hpet is HpetMode.LEGACY)
    tables = AcpiConfig(parts, apic=config.apic, pci_window=window, pci_links=True, hpet=hpet, topology=topology)
    return acpi_segment(tables)


def _mp_table(config: MachineConfig) -> Segment:
    table = build_table(find_model(config.cpu), apic=config.apic, topology=config.topology)
    signature, _, _, features = table.cpuid(1)
    return mp_segment(MpConfig(config.topology, signature, features, config.chipset is Chipset.I440FX))


def _options(files: GuestFiles, config: MachineConfig) -> BootOptions:
    acpi = _acpi(config) if files.bios is None else None
    firmware = () if acpi is None else (acpi, _mp_table(config)) if config.apic else (acpi,)
    kernel = _kernel(files, config.cpus)
    bios = read_input(files.bios, "BIOS") if files.bios is not None else None
    return BootOptions(
        memory=config.memory,
        kernel=kernel,
        initrd=read_input(files.initrd, "initrd") if files.initrd is not None else None,
        modules=tuple(module.read() for module in files.modules),
        bios=bios,
        nvram=_nvram(files),
        append=files.append,
        command_line=files.command_line,
        via_decompressor=files.via_decompressor,
        via_setup=files.via_setup,
        text_screen=config.display is Display.STD,
        real_mode=files.real_mode or has_guests_of_qemu(config.devices),
        protocol=files.protocol,
        load_address=Physical(files.load_address) if files.load_address is not None else None,
        mode=files.mode,
        firmware=firmware,
        rsdp=acpi.address if acpi is not None else None,
        start=config.start,
        seed=files.seed,
    )
