"""What firmware does to the PCI bus, for guests that are booted without any.

Base addresses as SeaBIOS gives them: ports from C000h, memory from where RAM can no longer be, the largest first.
"""

from __future__ import annotations

from devices.board.acpi_pm import PM_PORTS
from devices.pci import config_space as cs
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Command, ConfigSpace, Place
from devices.pci.function import PciFunction
from devices.pci.host_bridge import HOST_BRIDGE, PAM
from devices.pci.piix import ISA_BRIDGE, PCI_IRQS, POWER_MANAGEMENT, pirq_of
from devices.pci.piix3 import PIRQ_ROUTE
from devices.pci.piix4_pm import (
    PM_ENABLE,
    PMBA,
    PMREGMISC,
    SMBBA,
    SMBHSTCFG,
    SMBUS_ENABLE,
)
from vmdbg.boot.firmware_config import pci_window
from vmdbg.machine.pc import Pc
from vmdbg.units import Tick

FIRST_PORT = 0xC000
SMBUS_BASE = 0x700
ELCR = 0x4D0
ALL_RAM = 0x33
"""Of PAM0 to PAM6."""


def set_up_pci(pc: Pc, now: Tick) -> None:
    """RAM below 1 MiB, interrupts routed, power management placed; every function has its addresses and answers."""
    functions = pc.pci.functions
    for register in PAM:
        functions[HOST_BRIDGE.number].write_config(register, 1, ALL_RAM)
    bridge, power = functions[ISA_BRIDGE.number], functions[POWER_MANAGEMENT.number]
    for number, irq in enumerate(PCI_IRQS):
        bridge.write_config(PIRQ_ROUTE + number, 1, irq)
        port = ELCR + irq // 8
        pc.ports.write(port, 1, pc.ports.read(port, 1, now) | 1 << irq % 8, now)
    for register, size, value in (
        (PMBA, 4, PM_PORTS.start),
        (PMREGMISC, 1, PM_ENABLE),
        (SMBBA, 4, SMBUS_BASE),
        (SMBHSTCFG, 1, SMBUS_ENABLE),
    ):
        power.write_config(register, size, value)
    _assign(pc)
    for place, _, function in pc.pci.placed():
        _enable(place, function)


def _assign(pc: Pc) -> None:
    """ROMs stay where they are: nobody runs them."""
    wanted: list[tuple[int, int, int, ConfigSpace, Bar]] = []
    for place, _, function in pc.pci.placed():
        if isinstance(function, PciFunction):
            wanted += [
                (bar.size, -place.number, -offset, function, bar)
                for offset, bar, _, _ in function.bar_positions()
                if bar.space is not Space.ROM
            ]
    ports, memory = FIRST_PORT, pci_window(pc.config.memory)
    for size, _, negated, function, bar in sorted(wanted, key=lambda one: one[:3], reverse=True):
        if bar.space is Space.IO:
            _place(function, -negated, bar, ports)
            ports += size
        else:
            memory = -(-memory // size) * size
            _place(function, -negated, bar, memory)
            memory += size


def _place(function: ConfigSpace, offset: int, bar: Bar, address: int) -> None:
    for n in range(bar.registers):
        function.write_config(offset + 4 * n, 4, address >> 32 * n & 0xFFFF_FFFF)


def _enable(place: Place, function: ConfigSpace) -> None:
    pin = function.read_config(cs.INTERRUPT_PIN, 1)
    if pin:
        function.write_config(cs.INTERRUPT_LINE, 1, PCI_IRQS[pirq_of(place, pin)])
    command = function.read_config(cs.COMMAND, 2)
    function.write_config(cs.COMMAND, 2, command | Command.IO | Command.MEMORY)
