"""A guest that makes code without end: what is kept of its translations is bounded, and when it goes nobody sees it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode, InputFile
from vmdbg.engine.exits import LimitReached
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on
from vmdbg.units import Physical, Tick

MEMORY = 32 << 20
ROUNDS_OF_NEW_CODE = """
    mov r12, 0x1000000
    outer:
    mov rdi, r12
    mov ecx, 0x80000
    mov rax, 0x90c0ff48c0ff4890     ; NOP, INC RAX
    rep stosq
    mov byte [rdi], 0xc3
    mov rax, r12
    call rax
    jmp outer
    """
LIMIT = 120_000_000
"""Ticks, in which the translations outgrow their place."""
ALLOWED = 300 << 20


def machine() -> Machine:
    made = Machine(MachineConfig(memory=MEMORY), UnicornEngine)
    code = InputFile("code", memoryview(assemble(ROUNDS_OF_NEW_CODE, origin=0x100000)))
    options = BootOptions(memory=MEMORY, kernel=code, load_address=Physical(0x100000), mode=CpuMode.LONG64)
    power_on(made, boot_image(options))
    return made


def resident() -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.slow
def test_translations_are_bounded_and_going_changes_nothing() -> None:
    before = resident()
    straight = machine()
    assert straight.run(Tick(LIMIT)) == LimitReached()
    assert resident() - before < MEMORY + ALLOWED
    expected = digest(straight)
    straight.close()
    sliced = machine()
    while sliced.clock < LIMIT:
        sliced.run(Tick(min(LIMIT, sliced.clock + 3_333_333)))
        if sliced.clock < LIMIT:
            sliced.step()
    assert digest(sliced) == expected
    sliced.close()
