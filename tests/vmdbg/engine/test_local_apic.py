"""The engine takes over only the local APIC whose registers it knows."""

from ctypes import Structure, c_uint32

import pytest

from vmdbg.engine.unicorn.bare import BareCpu
from vmdbg.errors import EngineError
from vmdbg.units import BOOT_CPU, Physical


class OtherRegisters(Structure):
    _fields_ = (("id", c_uint32),)


def test_registers_of_another_layout_are_refused() -> None:
    cpu = BareCpu()
    with pytest.raises(EngineError, match="registers take 4 bytes"):
        cpu.engine.attach_local_apic(BOOT_CPU, OtherRegisters(), Physical(0xFEE00000), 4096)
    cpu.close()
