"""The engine in real mode against a real 286, where somebody has SingleStepTests' 80286.

VMDBG_SINGLE_STEPS names its directory v1_real_mode; VMDBG_SINGLE_STEPS_MOST how many of each file are run. Nothing of
them is kept here.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.conformance.single_steps import Count, RealMode, Step, compare, differences
from vmdbg.engine.exits import TripleFault

PLACE = os.environ.get("VMDBG_SINGLE_STEPS", "")
MOST = int(os.environ.get("VMDBG_SINGLE_STEPS_MOST", "20"))


@pytest.mark.slow
@pytest.mark.skipif(not PLACE, reason="VMDBG_SINGLE_STEPS names no directory of SingleStepTests' 80286")
def test_instructions_do_what_they_did_on_a_286() -> None:
    cpu, count = RealMode(), Count()
    for path in sorted(Path(PLACE).glob("*.MOO.gz")):
        compare(path, MOST, cpu, count)
    cpu.close()
    print(f"{count.passed:,} passed, {dict(count.known)} known")
    assert count.passed
    assert not count.unexplained, "\n".join(count.unexplained[:10])


def _step(code: str, after: dict[str, int], exception: int | None = None, **registers: int) -> Step:
    """What begins at 1000h:0, with stacks and data at 2000h:0 and handlers at 3000h."""
    raw = bytes.fromhex(code) + b"\xf4"
    before = dict.fromkeys(("ax", "bx", "cx", "dx", "bp", "si", "di", "ip"), 0)
    before |= {"cs": 0x1000, "ss": 0x2000, "ds": 0x2000, "es": 0x2000, "sp": 0x100, "flags": 2} | registers
    ram = {0x10000 + before["ip"] + at: byte for at, byte in enumerate(raw)}
    for vector in (6, 12, 13):
        ram |= {4 * vector + at: byte for at, byte in enumerate(struct.pack("<2H", vector, 0x3000))}
    faults = {} if exception is None else {"cs": 0x3000, "ip": exception + 1, "sp": before["sp"] - 6}
    return Step("mov", raw, before, ram, {"ip": before["ip"] + len(raw), **faults, **after}, {}, exception)


EDGES = {
    "a word at the end": _step("a1ffff", {}, 13),
    "a byte there": _step("a0ffff", {}),
    "a word that is stored there": _step("8907", {}, 13, bx=0xFFFF),
    "on the stack": _step("8946ff", {}, 12, bp=0),
    "a push across it": _step("6650", {}, 12, sp=2),
    "a pop across it": _step("58", {}, 12, sp=0xFFFF),
    "a push that wraps": _step("50", {"sp": 0xFFFE}, sp=0),
    "a dword by a string": _step("66a5", {}, 13, si=0xFFFD),
    "a string that stores": _step("ab", {}, 13, di=0xFFFF),
    "nothing to repeat": _step("f3ab", {}, di=0xFFFF),
    "32 bits of address": _step("678b00", {}, 13, ax=0xFFFF),
    "an XCHG, which locks": _step("8707", {}, 13, bx=0xFFFF),
    "a bit beyond the operand": _step("0fa307", {}, 13, bx=0xFFF1, ax=0x70),
    "code across it": _step("b81234", {}, 13, ip=0xFFFE),
    "a far pointer": _step("c407", {}, 13, bx=0xFFFD),
    "POP with another number in ModRM": _step("8fc8", {}, 6),
    "MOV with another": _step("c7c83412", {}, 6),
}
"""Of segments with 64 KiB (SDM 3A 5.3, 20.1.1)."""


@pytest.mark.parametrize("name", EDGES)
def test_accesses_end_where_the_segment_ends(name: str) -> None:
    cpu = RealMode()
    step = EDGES[name]
    cpu.run(step)
    found = differences(step, cpu)
    cpu.close()
    assert found == []


def test_a_push_whose_fault_finds_no_room_either_shuts_the_cpu_down() -> None:
    """As the 386's manual has it of a PUSH with 1 in SP."""
    cpu = RealMode()
    cpu.run(_step("50", {}, 12, sp=1))
    assert isinstance(cpu.ended, TripleFault)
    assert cpu.vector == 8
    cpu.close()
