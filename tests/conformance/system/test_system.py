"""The engine and qemu-system-x86_64 on the same random cases of privileged and system instructions, in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.system import cpus
from tests.conformance.system.case import Case, Instruction
from tests.conformance.system.cpus import EngineCpu, QemuSystem, cases_done, is_qemu_there, qemu_version
from tests.conformance.system.draw import plain
from tests.conformance.system.follow import BIG, LMA, LONG, NAMES, Follower, Step
from tests.conformance.system.known import explain
from tests.conformance.system.layout import HANGS, RESULT_SIZE, Result
from tests.conformance.system.session import LEFT_BEHIND, Tally, batch, compare, shrink
from tests.conformance.system.world import LANDINGS, TASK16_SLOT, USER, USER_STACK, Mode
from vmdbg.engine.exits import Delivery, DeliveryKind
from vmdbg.units import Linear, Tick

needs_qemu = pytest.mark.skipif(not is_qemu_there(), reason="qemu-system-x86 is not installed")
CASES, SEED = 150, 7


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineCpu]:
    cpu = EngineCpu()
    yield cpu
    cpu.close()


@pytest.fixture(scope="module")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> QemuSystem:
    return QemuSystem(tmp_path_factory.mktemp("qemu"))


@pytest.mark.skipif(not qemu_version().startswith("7.2"), reason="what is known is of QEMU 7.2")
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
def test_no_difference_from_qemu_is_unexplained(mode: Mode, engine: EngineCpu, qemu: QemuSystem) -> None:
    tally = Tally()
    compare(batch(mode, SEED, CASES), qemu, engine, Follower(engine), tally)
    assert tally.cases == CASES
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained))
    assert len(tally.vectors) > 4, "the cases come to many ends"


def _run(engine: EngineCpu, case: Case) -> dict[str, int]:
    return engine.run([case])[0].fields()


@pytest.mark.parametrize("mode", [Mode.REAL, Mode.VIRTUAL, Mode.PROTECTED_16])
def test_a_code_breakpoint_in_a_segment_that_does_not_begin_at_0(mode: Mode, engine: EngineCpu) -> None:
    """Unicorn compares it with EIP, does not raise it and looks at it for ever."""
    case = plain(mode, Instruction("nop", b"\x90"), Instruction("nop", b"\x90"))
    found = _run(engine, replace(case, registers=case.registers | {"dr1": USER + 1, "dr7": 0x404}))
    assert (found["vector"], found["rip"], found["dr6"] & 15) == (1, USER + 1 - mode.base, 2)


def test_pushf_of_32_bits_in_virtual_8086_mode_shows_no_vm(engine: EngineCpu) -> None:
    found = _run(engine, plain(Mode.VIRTUAL, Instruction("pushf", b"\x66\x9c")))
    assert found["rflags"] & 0x20000
    assert found[f"[{USER_STACK - 4:#x}]"] & 0x30000 == 0


def test_popf_in_ring_0_clears_the_virtual_interrupt_flags(engine: EngineCpu) -> None:
    push_iret = b"\x68\x02\x00\x18\x00\x6a\x40\x68" + LANDINGS[0].to_bytes(4, "little") + b"\xcf"
    popf = b"\x6a\x02\x9d"
    case = plain(Mode.PROTECTED_32, Instruction("iret", push_iret), Instruction("popf", popf))
    after = replace(case, memory={LANDINGS[0]: popf + b"\x0f\x0b\x90\x90\x90"})
    assert _run(engine, after)["rflags"] & 0x180000 == 0


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
def test_a_case_does_not_depend_on_those_before_it(mode: Mode, engine: EngineCpu) -> None:
    cases = batch(mode, SEED, 40)
    together = engine.run(cases)
    alone = [engine.run([case])[0] for case in cases[-8:]]
    assert [one.fields() for one in together[-8:]] == [one.fields() for one in alone]


@pytest.mark.parametrize("place", [0x500, 0xB010, 0xE202, 0xF800, 0x14010, 0x30000])
def test_a_case_finds_nothing_that_another_has_stored(place: int, engine: EngineCpu) -> None:
    far = (place & 0xF).to_bytes(2, "little") + (place >> 4).to_bytes(2, "little")
    segment = b"\x68" + far[2:] + b"\x1f"
    store = plain(Mode.REAL, Instruction("store", segment + b"\xc7\x06" + far[:2] + b"\xeb\xfe"))
    jump = plain(Mode.REAL, Instruction("jmp", b"\xea" + far))
    assert [result.vector for result in engine.run([jump, store, jump])] == [3, 6, 3]


class _Other:
    """An engine that has another RAX wherever a case has stored into memory."""

    def __init__(self, engine: EngineCpu) -> None:
        self._engine = engine

    def run(self, cases: list[Case]) -> list[Result]:
        def changed(case: Case, result: Result) -> Result:
            wrong = any(instruction.name == "sldt" for instruction in case.instructions)
            raw = bytearray(result.raw)
            raw[0x38] ^= wrong
            return Result(bytes(raw))

        return [changed(*pair) for pair in zip(cases, self._engine.run(cases), strict=True)]


def test_a_difference_shrinks_to_the_instruction_that_makes_it(engine: EngineCpu) -> None:
    instructions = (Instruction("nop", b"\x90"), Instruction("sldt", b"\x0f\x00\xc1"), Instruction("cli", b"\xfa"))
    tally, other, follow = Tally(), _Other(engine), Follower(engine)
    compare([plain(Mode.LONG, *instructions)], engine, other, follow, tally)
    (unexplained,) = tally.unexplained
    small = shrink(unexplained, engine, other, follow)
    assert [instruction.name for instruction in small.case.instructions] == ["sldt"]
    assert list(small.differences) == ["rax"]


def test_a_case_is_asked_again_of_one_that_has_run_no_other(engine: EngineCpu) -> None:
    class Tired(_Other):
        def run(self, cases: list[Case]) -> list[Result]:
            return super().run(cases) if len(cases) > 1 else engine.run(cases)

    cases = [plain(Mode.LONG, Instruction(name, b"\x0f\x00\xc1")) for name in ("nop", "sldt", "nop")]
    tally = Tally()
    compare(cases, Tired(engine), engine, Follower(engine), tally)
    assert (tally.known, tally.unexplained) == ({LEFT_BEHIND: 1}, [])


def test_the_last_result_is_whole_wherever_patience_ends(engine: EngineCpu, monkeypatch: pytest.MonkeyPatch) -> None:
    case = plain(Mode.LONG, Instruction("nop", b"\x90"))
    whole = engine.run([case])
    engine.begin([case])
    begin = engine.engine.clock
    while not cases_done(engine.engine.ram, 0, 1):
        engine.engine.run(Tick(engine.engine.clock + 20))
    monkeypatch.setattr(cpus, "PATIENCE", engine.engine.clock - begin)
    assert engine.run([case]) == whole


def test_a_task_state_of_16_bits_does_not_outlast_its_case(engine: EngineCpu) -> None:
    """IA-32e mode cannot begin with one (SDM 2B, MOV to control registers)."""
    load = b"\xb8" + (8 * TASK16_SLOT).to_bytes(4, "little") + b"\x0f\x00\xd8"
    cases = [
        plain(Mode.PROTECTED_32, Instruction("ltr", load)),
        plain(Mode.LONG, Instruction("nop", b"\x90")),
        plain(Mode.LONG, Instruction("ltr", load)),
    ]
    assert [(one["vector"], one["error code"]) for one in (result.fields() for result in engine.run(cases))] == [
        (6, 0),
        (6, 0),
        (13, 8 * TASK16_SLOT),
    ]


def test_a_case_without_end_is_told_and_the_next_one_runs(engine: EngineCpu) -> None:
    endless = plain(Mode.LONG, Instruction("jmp", b"\xeb\xfe"))
    first, second = engine.run([endless, plain(Mode.LONG, Instruction("nop", b"\x90"))])
    assert (first.vector, second.vector) == (HANGS, 6)


@needs_qemu
def test_qemu_goes_on_after_a_case_without_end(tmp_path: Path) -> None:
    endless = plain(Mode.LONG, Instruction("jmp", b"\xeb\xfe"))
    first, second = QemuSystem(tmp_path).run([endless, plain(Mode.LONG, Instruction("nop", b"\x90"))])
    assert (first.vector, second.vector) == (HANGS, 6)


CUT = (
    b"",
    *(bytes([byte]) for byte in (0x0F, 0x26, 0x48, 0x66, 0x8F, 0xC6, 0xC7, 0xE4, 0xED, 0xF3, 0xFF)),
    b"\x66\xff",
    b"\x0f\x22",
)


@pytest.mark.parametrize("code", CUT, ids=lambda code: code.hex() or "nothing")
@pytest.mark.parametrize("flags", [0, BIG, LONG], ids=["16", "32", "64"])
@pytest.mark.parametrize("vector", [6, 12, 13, 14])
def test_an_instruction_of_which_little_can_be_read_is_judged(code: bytes, flags: int, vector: int) -> None:
    """Where memory ends, or what is mapped."""
    nothing = Delivery(Tick(0), DeliveryKind.EXCEPTION, vector, 0, 0, Linear(0), 0, 0, Linear(0), 0, 0, 16, b"")
    registers = dict.fromkeys(NAMES, 0) | {"efer": LMA, "cs_flags": flags, "dr7": 0xFF, "rflags": 2}
    step, result = Step(registers, code, (nothing,)), Result(bytes(RESULT_SIZE))
    case = plain(Mode.LONG, Instruction("ud2", b"\x0f\x0b"))
    reason = explain(case, result, result, {"rax": (1, 2)}, lambda _case: [step])
    assert code or reason is None, "nothing is known of nothing"
