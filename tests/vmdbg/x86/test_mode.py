from __future__ import annotations

import pytest

from vmdbg.x86.mode import CpuMode, cpu_mode

D, L, LMA, VM = 1 << 22, 1 << 21, 1 << 10, 1 << 17


@pytest.mark.parametrize(
    ("cr0", "efer", "rflags", "cs_flags", "mode", "width"),
    [
        (0, 0, 2, 0, CpuMode.REAL, 16),
        (0, 0, 2, D, CpuMode.REAL32, 32),
        (1, 0, 2, 0, CpuMode.PROTECTED16, 16),
        (1, 0, 2, D, CpuMode.PROTECTED32, 32),
        (1, 0, VM, 0, CpuMode.VIRTUAL_8086, 16),
        (1, LMA, 2, L, CpuMode.LONG64, 64),
        (1, LMA, VM, L, CpuMode.LONG64, 64),
        (1, LMA, 2, D, CpuMode.COMPATIBILITY32, 32),
        (1, LMA, 2, 0, CpuMode.COMPATIBILITY16, 16),
        (1, 0, 2, L | D, CpuMode.PROTECTED32, 32),
    ],
)
def test_mode(cr0: int, efer: int, rflags: int, cs_flags: int, mode: CpuMode, width: int) -> None:
    found = cpu_mode(cr0, efer, rflags, cs_flags)
    assert found is mode
    assert found.width == width
    assert found.is_long == bool(efer)
