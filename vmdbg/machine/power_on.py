"""A boot image becomes the machine at its first instruction."""

from __future__ import annotations

from vmdbg.boot.bios import SHADOW, SHADOWED
from vmdbg.boot.image import BootImage, Protocol, Segment
from vmdbg.boot.layout import FOUR_GIB, HIGH_MEMORY
from vmdbg.machine.cpu_start import selected, start_cpu
from vmdbg.machine.machine import Machine
from vmdbg.units import CpuId, Physical
from vmdbg.x86.msr import FIRMWARE_MSRS

RANDOM = "random_state"
"""The engine's name of where RDRAND's numbers go on."""
APART = 0xD1342543DE82EF95
"""CPUs' beginnings, which lie no small multiple of RDRAND's step from each other."""
MTRRS = {0x2FF: "mtrr_def_type"} | {
    index: f"mtrr_fixed{n}" for n, index in enumerate((0x250, 0x258, 0x259, *range(0x268, 0x270)))
}
"""The engine's names of the MTRRs that firmware sets."""


def power_on(machine: Machine, image: BootImage) -> None:
    """Place the image in RAM and ROM and the CPU at its entry. The machine has not run yet."""
    flash = machine.config.flash
    for segment in image.segments:
        if flash is not None and segment.address == flash.address:
            assert machine.pc.flash is not None
            machine.pc.flash.load(segment.data)
        elif segment.rom:
            place_rom(machine, segment)
        elif segment.name == SHADOW and machine.pc.i440fx is not None:
            continue  # the chipset shows ROM there until firmware has it show RAM
        elif len(segment.data):
            machine.engine.write_memory(segment.address, segment.data)
    if image.protocol is not Protocol.BIOS:
        for cpu in range(machine.config.cpus):
            with selected(machine.engine, CpuId(cpu)):
                machine.engine.write_registers({MTRRS[index]: value for index, value in FIRMWARE_MSRS})
        if machine.pc.i440fx is not None:
            from vmdbg.machine.display_setup import set_up_display  # its devices are no other machine's
            from vmdbg.machine.pci_setup import set_up_pci

            set_up_pci(machine.pc, machine.clock)
            set_up_display(machine.pc)
    if image.random:
        seed_random_numbers(machine, image.random)
    for write in image.chips:
        machine.pc.ports.write(write.port, 1, write.value, machine.clock)
    start_cpu(machine.engine, image.start)


def seed_random_numbers(machine: Machine, start: int) -> None:
    """Each CPU's RDRAND begins elsewhere."""
    for cpu in range(machine.config.cpus):
        with selected(machine.engine, CpuId(cpu)):
            if RANDOM in machine.engine.register_names:
                machine.engine.write_registers({RANDOM: (start + cpu * APART) & (1 << 64) - 1})


def place_rom(machine: Machine, segment: Segment) -> None:
    """ROM, which a machine whose chipset can show RAM there instead has below 1 MiB too, if it ends at 4 GiB."""
    alias = None
    if machine.pc.i440fx is not None and segment.end == FOUR_GIB:
        alias = Physical(HIGH_MEMORY - min(SHADOWED, len(segment.data)))
    machine.pc.memory_map.add_rom(segment.address, segment.data, alias)
