"""Which instructions are locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmdbg.x86.assembly import assemble
from vmdbg.x86.locked import is_locked
from vmdbg.x86.mode import Width

LOCKED = ("lock inc dword ptr [{b}]", "xchg [{b}], eax", "xchg [{b}], al", "lock xadd [{b}], ax")
NOT = ("inc dword ptr [{b}]", "xchg eax, ebx", "xchg bx, bx", "cmpxchg [{b}], ecx", "mov eax, 0xf0f0f0f0", "nop")


@pytest.mark.parametrize("width", Width)
def test_lock_and_exchanges_with_memory_are(width: Width, tmp_path: Path) -> None:
    base = {Width.BITS16: "bx", Width.BITS32: "ebx", Width.BITS64: "r9"}[width]
    for source, wanted in (*((one, True) for one in LOCKED), *((one, False) for one in NOT)):
        code = assemble(source.format(b=base), width, tmp_path)
        assert is_locked(code, width) is wanted, source
    assert not is_locked(b"", width)
    assert not is_locked(b"\x87", width)
