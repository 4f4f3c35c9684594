from __future__ import annotations

import pytest

from tests.gdbstub.clients import wheel
from tests.vmdbg.gdb.guests import GDBS, gdb_program


@pytest.fixture(params=GDBS)
def gdb_client(request: pytest.FixtureRequest) -> list[str]:
    """Each gdb that there is to test with."""
    return gdb_program(request.param)


@pytest.fixture
def lldb_client() -> list[str]:
    return wheel("lldb_for_pwndbg", "lldb")
