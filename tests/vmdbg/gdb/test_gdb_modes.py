"""A boot sector through every mode of the CPU: where the pc is, and what is disassembled there."""

from __future__ import annotations

import re

import pytest

from tests.vmdbg.gdb.guests import assembled_guest, gdb
from vmdbg.gdb.architecture import choose


def test_real_mode_in_the_i8086_layout(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        output = gdb(gdb_client, guest.debugger, "x/3i $pc", "info registers eip cs", view=choose("i8086"))
    assert "=> 0x7c00:\t" in output
    assert re.search(r"eip +0x7c00", output)


def test_linear_pc_in_a_real_mode_segment(gdb_client: list[str]) -> None:
    with assembled_guest("modes") as guest:
        guest.debugger.write_register("cs", 0x7C0)
        guest.debugger.write_register("cs_base", 0x7C00)
        guest.debugger.write_register("rip", 0)
        output = gdb(
            gdb_client,
            guest.debugger,
            "print/x $pc",
            "print/x $linear_pc",
            "set $pc = 0x7c02",
            "print/x $linear_pc",
        )
        assert guest.debugger.engine.read_register("rip") == 2
    assert "$1 = 0x7c00" in output
    assert "$2 = 0x7c00" in output
    assert "$3 = 0x7c02" in output


@pytest.mark.parametrize("letter", "RPQCLcqpr")
def test_disassembly_follows_the_mode(gdb_client: list[str], letter: str) -> None:
    """Each letter is printed in another mode, by `mov al, LETTER`."""
    pytest.skip("not yet")
