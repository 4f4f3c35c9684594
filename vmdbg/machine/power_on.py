"""A boot image becomes the machine at its first instruction."""

from __future__ import annotations

from vmdbg.boot.image import BootImage, CpuStart, Protocol, SegmentRegister
from vmdbg.engine.inspection import Inspection
from vmdbg.machine.machine import Machine
from vmdbg.machine.pci_setup import set_up_pci
from vmdbg.x86.msr import FIRMWARE_MSRS

SEGMENT_REGISTERS = ("cs", "ds", "es", "ss", "fs", "gs", "tr", "ldtr")

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
            machine.pc.memory_map.add_rom(segment.address, segment.data)
        elif len(segment.data):
            machine.engine.write_ram(segment.address, segment.data)
    if image.protocol is not Protocol.BIOS:
        machine.engine.write_registers({MTRRS[index]: value for index, value in FIRMWARE_MSRS})
        if machine.pc.i440fx is not None:
            set_up_pci(machine.pc, machine.clock)
    for write in image.chips:
        machine.pc.ports.write(write.port, 1, write.value, machine.clock)
    start_cpu(machine.engine, image.start)


def start_cpu(engine: Inspection, start: CpuStart) -> None:
    values = {"rip": start.rip, "rsp": start.rsp, "rflags": start.rflags}
    values |= {"cr0": start.cr0, "cr3": start.cr3, "cr4": start.cr4, "efer": start.efer}
    for name, table in (("gdtr", start.gdt), ("idtr", start.idt)):
        values |= {f"{name}_base": table.base, f"{name}_limit": table.limit}
    for name in SEGMENT_REGISTERS:
        values |= _segment(name, getattr(start, name))
    values |= start.general
    engine.write_registers(values)


def _segment(name: str, register: SegmentRegister) -> dict[str, int]:
    """`attributes` are bits 40-55 of the descriptor; the CPU keeps its high dword, which begins at bit 32."""
    return {
        name: register.selector,
        f"{name}_base": register.base,
        f"{name}_limit": register.limit,
        f"{name}_flags": register.attributes << 8,
    }
