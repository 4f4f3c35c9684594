"""The engine, QEMU's user mode and this machine's CPU on the same random instructions."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance import qemu
from tests.conformance.batch import Batch
from tests.conformance.benches import INSTRUCTIONS, STATES, Benches, benches, small_batch
from tests.conformance.groups import ALL, PLAIN, PLAIN_32, Group, Kind, groups_here
from tests.conformance.instructions import Instruction
from tests.conformance.layout import CR2_AT, State
from tests.conformance.session import Oracle, Tally

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the judge is an x86-64 CPU"),
    pytest.mark.skipif(not qemu.is_there(), reason="qemu-user is not installed"),
]
MANY = 85_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    with benches(tmp_path_factory.mktemp("cpus"), qemu.of_kind) as made:
        yield made


def skip_without(group: Group) -> None:
    if group not in groups_here():
        pytest.skip("the judge is a CPU with AVX2, FMA and BMI2")
    if group.kind.avx and not qemu.has_vectors():
        pytest.skip("this QEMU has no AVX2, FMA or BMI2")


@pytest.mark.parametrize("group", ALL, ids=lambda group: group.name)
def test_what_differs_from_qemu_is_known_and_is_what_this_cpu_does(group: Group, bench: Benches) -> None:
    skip_without(group)
    tally = Tally()
    bench(group.kind).vote(group.name, 1, small_batch(group), tally)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))
    assert tally.cases + tally.left_out == INSTRUCTIONS * STATES
    assert tally.agreed


@pytest.mark.slow
def test_in_a_million_cases_nothing_else_differs(bench: Benches) -> None:
    tally = Tally()
    for group in ALL:
        skip_without(group)
        seed = 1000
        while tally.groups[group.name] < MANY:
            bench(group.kind).vote(group.name, seed, group.batch(seed), tally)
            seed += 1
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.parametrize("kind", [PLAIN, PLAIN_32], ids=["64 bits", "32 bits"])
def test_an_engine_that_is_alone_is_not_explained(kind: Kind, bench: Benches) -> None:
    class Wrong:
        def __init__(self, right: Oracle) -> None:
            self._right = right

        def run(self, batch: Batch) -> list[State]:
            first, *rest = self._right.run(batch)
            return [State(bytes([first.raw[0] ^ 1]) + first.raw[1:]), *rest]

    tally, group = Tally(), next(group for group in ALL if group.kind == kind)
    replace(bench(kind), engine=Wrong(bench(kind).engine)).vote(group.name, 1, small_batch(group), tally)
    (unexplained,) = tally.unexplained
    assert [difference.name for difference in unexplained.differences] == ["rax"]


def test_cases_that_would_reach_the_program_that_runs_them_are_left_out(bench: Benches) -> None:
    """32-bit code reaches all of it."""
    store = Instruction(b"\xc7\x00\xff\xff\xff\xff", "mov", "dword ptr [eax], 0xffffffff")
    group = next(group for group in ALL if group.kind == PLAIN_32)
    own = sorted(page for page in qemu_of(bench)._pages)
    states = [_with_eax(group.batch(1).states[0], page << 12) for page in own[:: len(own) // 30]]
    batch = qemu_of(bench).suited(Batch([store], states, 32), bench(PLAIN_32).engine.run(Batch([store], states, 32)))
    assert len(batch.left_out) == len(states)
    assert not any(state.word(CR2_AT) for state in qemu_of(bench).run(batch))


def qemu_of(bench: Benches) -> qemu.QemuCpu:
    other = bench(PLAIN_32).other
    assert isinstance(other, qemu.QemuCpu)
    return other


def _with_eax(state: State, eax: int) -> State:
    return State(eax.to_bytes(8, "little") + state.raw[8:])


@pytest.mark.parametrize("name", ["vroundss", "vroundsd"])
def test_what_ends_qemu_is_not_run(name: str, bench: Benches) -> None:
    opcode = 10 if name == "vroundss" else 11
    long, short = (Instruction(bytes([0xC4, 0xE3, last, opcode, 0xC1, 0]), name, "") for last in (0x7D, 0x79))
    assert [qemu.ends_qemu(instruction) for instruction in (long, short)] == [True, False]


@pytest.mark.parametrize(
    ("code", "mnemonic", "operands", "overwrites"),
    [
        ("44 0f 6f c0", "movq", "mm0, mm0", True),
        ("41 0f 6f c0", "movq", "mm0, mm0", True),
        ("44 2e 0f 6f c0", "movq", "mm0, mm0", True),
        ("44 0f 6f 00", "movq", "mm0, qword ptr [rax]", True),
        ("41 0f 6f 00", "movq", "mm0, qword ptr [r8]", False),
        ("48 0f 6f c0", "movq", "mm0, mm0", False),
        ("44 0f 28 c0", "movaps", "xmm8, xmm0", False),
    ],
)
def test_what_writes_over_qemus_own_state_is_not_run(code: str, mnemonic: str, operands: str, overwrites: bool) -> None:
    assert qemu.overwrites_qemu(Instruction(bytes.fromhex(code), mnemonic, operands)) == overwrites
