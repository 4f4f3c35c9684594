"""A machine that starts in the SeaBIOS that the system has."""

from __future__ import annotations

import pytest

from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions
from vmdbg.boot.installed_firmware import installed_seabios
from vmdbg.boot.source import read_input
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.errors import UserError
from vmdbg.machine.config import BootOrder, Chipset, MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on

MEMORY = 32 << 20


def seabios_machine(devices: tuple[str, ...] = (), boot: BootOrder | None = None) -> Machine:
    """At the reset vector. Skips the test where there is no SeaBIOS."""
    try:
        bios = read_input(installed_seabios(), "BIOS")
    except UserError as error:
        pytest.skip(str(error))
    config = MachineConfig(memory=MEMORY, chipset=Chipset.I440FX, devices=devices, boot=boot or BootOrder())
    machine = Machine(config, UnicornEngine)
    power_on(machine, boot_image(BootOptions(memory=MEMORY, bios=bios)))
    return machine
