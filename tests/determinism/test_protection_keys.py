"""A program that changes what protection keys refuse ends alike however it is run, its digest has PKRU and keys."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.vmdbg.engine.key_programs import MODEL, draw, prepare, written_down
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import PATIENCE, BareCpu
from vmdbg.units import Tick

SEED = 5
Perturbed = Callable[[BareCpu, random.Random], None]


def _sliced(cpu: BareCpu, rng: random.Random) -> None:
    cpu.engine.run(Tick(cpu.engine.clock + rng.randrange(1, 60)))


def _stepped(cpu: BareCpu, rng: random.Random) -> None:
    cpu.engine.step()


def _flushed(cpu: BareCpu, rng: random.Random) -> None:
    cpu.engine.flush_caches()
    _sliced(cpu, rng)


def _restored(cpu: BareCpu, rng: random.Random) -> None:
    """Goes on from a snapshot after PKRU was made another."""
    saved = cpu.engine.snapshot()
    cpu.engine.write_registers({"pkru": rng.getrandbits(32)})
    cpu.engine.restore(saved)
    _sliced(cpu, rng)


PERTURBED: dict[str, Perturbed] = {"sliced": _sliced, "stepped": _stepped, "flushed": _flushed, "restored": _restored}


def _end(perturbed: Perturbed | None) -> tuple[tuple[int, ...], int, bytes]:
    cpu, rng = BareCpu(MODEL), random.Random(SEED)
    prepare(cpu)
    cpu.load(draw(random.Random(SEED), cpu).code)
    start = cpu.engine.clock
    while perturbed is not None and cpu.engine.clock - start < 1200:
        perturbed(cpu, rng)
    assert cpu.engine.run(Tick(cpu.engine.clock + PATIENCE)) == Halted()
    found = written_down(cpu), cpu.engine.clock - start, cpu.engine.cpu_digest_bytes()
    cpu.close()
    return found


@pytest.fixture(scope="module")
def undisturbed() -> tuple[tuple[int, ...], int, bytes]:
    return _end(None)


@pytest.mark.parametrize("name", PERTURBED)
def test_nothing_that_a_debugger_does_changes_what_keys_refuse(
    name: str, undisturbed: tuple[tuple[int, ...], int, bytes]
) -> None:
    assert _end(PERTURBED[name]) == undisturbed


def test_the_digest_has_pkru_and_the_keys_that_the_tlb_has() -> None:
    cpu = BareCpu(MODEL)
    prepare(cpu)
    saved = cpu.engine.snapshot()
    digests = {cpu.engine.cpu_digest_bytes()}
    cpu.engine.write_registers({"pkru": 4})
    digests.add(cpu.engine.cpu_digest_bytes())
    for key in (2, 3):
        cpu.engine.restore(saved)
        cpu.write(0x4000 + 8 * 10 + 7, bytes([key << 3]))
        cpu.run(bytes.fromhex("8a042500a00000"))  # mov al, [0xA000]
        cpu.engine.write_registers({"rip": 0})
        digests.add(cpu.engine.cpu_digest_bytes())
    assert len(digests) == 4
    cpu.close()
