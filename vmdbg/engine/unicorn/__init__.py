"""The engine on Unicorn, with its native part in vmdbg.engine.native."""

from collections.abc import Sequence

from vmdbg.engine.port import Bus
from vmdbg.engine.unicorn.calibrate import require
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.x86.cpuid import CpuidTable

__all__ = ["UnicornEngine", "calibrated_engine"]


def calibrated_engine(ram_size: int, bus: Bus, cpuid: Sequence[CpuidTable], device_memory: int = 0) -> UnicornEngine:
    """An engine for a machine. Raises EngineError if it is not the one vmdbg was built for."""
    require()
    return UnicornEngine(ram_size, bus, cpuid, device_memory)
