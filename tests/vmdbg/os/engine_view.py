"""A stopped engine as a `GuestView`."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.engine.port import Engine
from vmdbg.os.seam import CpuView
from vmdbg.units import Physical, Tick
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError

_PROTECTED = 1
_VIRTUAL_8086 = 1 << 17


class EngineMemory:
    """RAM, without a way to change it: what looks at an operating system never writes."""

    def __init__(self, engine: Engine) -> None:
        self._ram = engine.ram

    def read(self, address: Physical, size: int) -> bytes:
        if not 0 <= address <= address + size <= len(self._ram):
            raise UnmappedPhysicalError(address, size)
        return bytes(self._ram[address : address + size])

    def write(self, address: Physical, data: bytes) -> None:
        raise UnmappedPhysicalError(address, len(data))


class EngineView:
    """Good until the guest runs: registers are those of the moment it was made."""

    def __init__(self, engine: Engine) -> None:
        names = tuple(engine.register_names)
        self._registers = dict(zip(names, engine.read_registers(names), strict=True))
        self._registers["cpl"] = self._privilege()
        self.tick: Tick = engine.clock
        self.ram_size = engine.ram_size
        self.memory = EngineMemory(engine)

    def _privilege(self) -> int:
        """The DPL of SS; 0 in real mode, 3 in virtual-8086 mode (SDM 3A 5.5)."""
        registers = self._registers
        if not registers["cr0"] & _PROTECTED:
            return 0
        return 3 if registers["rflags"] & _VIRTUAL_8086 else registers["ss_flags"] >> 13 & 3

    @property
    def cpus(self) -> Sequence[CpuView]:
        return (self,)

    @property
    def paging(self) -> Paging:
        registers = self._registers
        return Paging(registers["cr0"], registers["cr3"], registers["cr4"], registers["efer"])

    def register(self, name: str) -> int:
        """Raises `KeyError` for a name that is neither the engine's nor `cpl`."""
        return self._registers[name]
