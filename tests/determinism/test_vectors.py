"""Vector instructions that are interrupted, stepped, watched, moved to another machine or translated anew end alike."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.conformance.batch import Batch
from tests.conformance.floats import float_batch
from tests.conformance.guest import GuestCpu
from tests.conformance.instructions import Instruction
from tests.conformance.layout import ACROSS, ACROSS_SIZE, STATE_SIZE
from tests.conformance.vex import MODEL, vex_batch
from vmdbg.engine.exits import Halted, WatchpointHit
from vmdbg.engine.stops import Access, Watchpoint
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.units import Linear, Tick

SEED, CASES = 77, 1200
PATIENCE = 1 << 40
Perturbed = Callable[[UnicornEngine, random.Random], UnicornEngine]


def _sliced(engine: UnicornEngine, rng: random.Random) -> UnicornEngine:
    engine.run(Tick(engine.clock + rng.randrange(1, 3000)))
    return engine


def _stepped(engine: UnicornEngine, rng: random.Random) -> UnicornEngine:
    for _ in range(rng.randrange(60)):
        engine.step()
    return _sliced(engine, rng)


def _flushed(engine: UnicornEngine, rng: random.Random) -> UnicornEngine:
    engine.flush_caches()
    return _sliced(engine, rng)


def _restored(engine: UnicornEngine, rng: random.Random) -> UnicornEngine:
    """Goes on from a snapshot after the registers were made others."""
    saved = engine.snapshot()
    engine.write_registers({f"ymm{n}": rng.getrandbits(256) for n in range(16)})
    engine.restore(saved)
    return _sliced(engine, rng)


def _watched(engine: UnicornEngine, rng: random.Random) -> UnicornEngine:
    at = Linear(ACROSS + rng.randrange(ACROSS_SIZE))
    engine.set_watchpoints([Watchpoint(1, at, rng.randrange(1, 40), frozenset(Access))])
    assert isinstance(engine.run(Tick(engine.clock + 20000)), WatchpointHit)
    engine.set_watchpoints([])
    return engine


PERTURBED: dict[str, Perturbed] = {
    "sliced": _sliced,
    "stepped": _stepped,
    "flushed": _flushed,
    "restored": _restored,
    "watched": _watched,
}


def _floats() -> Batch:
    """With the x87's pointers in both formats, and a MXCSR that masks some exceptions, or none."""
    batch, at, areas = float_batch(SEED), ACROSS.to_bytes(4, "little"), []
    for rex in (b"", b"\x48"):
        save, restore = rex + b"\x0f\xae\x04\x25" + at, rex + b"\x0f\xae\x0c\x25" + at
        areas.append(Instruction(b"\xd9\xe8" + save, "fxsave", ""))
        areas.append(Instruction(save + restore, "fxrstor", ""))
    return Batch([*batch.instructions, *areas], batch.states)


BATCHES: dict[str, Callable[[], Batch]] = {"vectors": lambda: vex_batch(SEED), "floats": _floats}


def _end(name: str, perturbed: Perturbed | None) -> tuple[int, bytes, bytes]:
    guest, rng = GuestCpu(MODEL), random.Random(SEED)
    batch = BATCHES[name]()
    guest.begin(batch)
    engine = guest.engine
    start = engine.clock
    while perturbed is not None and engine.clock - start < CASES * 400:
        engine = perturbed(engine, rng)
    assert engine.run(Tick(engine.clock + PATIENCE)) == Halted()
    results = b"".join(state.raw for state in guest.results(batch))
    digest = engine.cpu_digest_bytes()
    assert len(results) == batch.count * STATE_SIZE
    end = engine.clock - start, results, digest
    guest.close()
    return end


@pytest.fixture(scope="module", params=BATCHES)
def undisturbed(request: pytest.FixtureRequest) -> tuple[str, tuple[int, bytes, bytes]]:
    return request.param, _end(request.param, None)


@pytest.mark.parametrize("name", PERTURBED)
def test_nothing_that_a_debugger_does_changes_what_vectors_come_to(
    name: str, undisturbed: tuple[str, tuple[int, bytes, bytes]]
) -> None:
    batch, end = undisturbed
    assert _end(batch, PERTURBED[name]) == end
