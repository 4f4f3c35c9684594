"""No access is left out of what a part of the history is said to have touched."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable

import pytest

from tests.determinism.random_guests import flat_origin, random_origin
from tests.determinism.test_dma import dma_machine
from tests.devices import copier
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from tests.vmdbg.timeline.model import machine_of
from tests.vmdbg.timeline.test_against_the_model import GUESTS
from vmdbg.boot.image import CpuMode
from vmdbg.engine.exits import Access, LimitReached, WatchHit, WatchpointHit
from vmdbg.engine.stops import Stops, Watchpoint
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.timeline import Timeline
from vmdbg.timeline.touched import Aliases
from vmdbg.units import PAGE_SIZE, Physical, Tick

TICKS = 12_000
DATA = 0x40000
STACK = 0x60000


def all_accesses(machine: Machine, ticks: int) -> list[tuple[Position, WatchHit]]:
    """Each with the instant that it came before."""
    found, end = [], Tick(machine.clock + ticks)
    whole = Watchpoint(1, Physical(0), len(machine.engine.ram), frozenset(Access), physical=True)
    machine.engine.set_watchpoints([whole])
    try:
        while isinstance(outcome := machine.run(end), WatchpointHit):
            found += [(machine.position, hit) for hit in outcome.hits]
    finally:
        machine.close()
    return found


def parts_of(machine: Machine, rng: random.Random, ticks: int) -> list[Part]:
    """What the index says of the same run, in parts that end anywhere."""
    timeline, end = Timeline(machine), machine.clock + ticks
    timeline.keeping.wanted = False
    try:
        while timeline.position.tick < end:
            step = rng.randrange(1, rng.choice([50, 1000, ticks]))
            outcome = timeline.run(Tick(min(end, timeline.position.tick + step)))
            timeline.keep_index()
            if not isinstance(outcome, LimitReached):
                break
        return list(timeline.index)
    finally:
        machine.close()


def watched(hit: WatchHit, *, physical: bool) -> Stops:
    address = hit.physical if physical else hit.linear
    return Stops(watchpoints=(Watchpoint(1, address, hit.size, frozenset({hit.access}), physical),))


def check(accesses: Iterable[tuple[Position, WatchHit]], parts: list[Part]) -> int:
    """How many times a part was said not to have what another has."""
    aliases = Aliases([part.touched for part in parts], complete=True)
    ends = [part.end for part in parts]
    known: dict[tuple[int, Stops], bool] = {}
    passed_over = 0
    for position, hit in accesses:
        at = bisect_left(ends, position)
        for stops in (watched(hit, physical=True), watched(hit, physical=False)):
            if (at, stops) not in known:
                known[at, stops] = parts[at].touched.may_stop(stops, aliases)
                other = parts[(at + 1) % len(parts)].touched
                passed_over += not other.may_stop(stops, aliases)
            assert known[at, stops], (position, hit)
    return passed_over


def store_program(rng: random.Random) -> str:
    """Stores of every kind: few and many, in rows and all over, beside code and across pages."""
    lines = [f"mov rsp, {STACK}", "lea rbp, [rel here]", "times 64 nop", "here:"]
    for number in range(12):
        place = DATA + PAGE_SIZE * rng.randrange(6) + rng.choice([0, 8, 60, 0x7FD, 0xFF9, rng.randrange(4080)])
        size, register = rng.choice([("byte", "dl"), ("word", "dx"), ("dword", "edx"), ("qword", "rdx")])
        count = rng.choice([1, 3, 40, 70, 1100])
        loop = f"dec ecx\njnz .again{number}"
        again = f"mov ecx, {count}\nmov edi, {place}\n.again{number}:"
        lines.append(
            rng.choice(
                [
                    f"mov {size} [{place}], {rng.randrange(100)}",
                    f"{again} add {size} [{place}], 1\n{loop}",
                    f"{again} mov [rdi], {register}\nadd edi, {rng.choice([8, 64, 68, 4088])}\n"
                    f"and edi, {DATA + 0x7FFC}\nor edi, {DATA}\n{loop}",
                    f"{again} {rng.choice(['cld', 'std'])}\nrep stos{size[0]}\ncld",
                    f"{again} mov esi, {DATA}\nmov ecx, {count % 600}\nrep movsb",
                    f"mov rax, {rng.randrange(2)}\nlock cmpxchg [{place}], {register}",
                    f"lock xadd [{place}], {register}\nbts {size if size != 'byte' else 'word'} [{place}], 9",
                    f"fxsave [{DATA + 0x3000 + 16 * rng.randrange(200)}]\nmovups [{place}], xmm1",
                    f"push rax\npush rcx\npop rcx\npop rax\ncall .next{number}\n.next{number}: pop rax",
                    f"mov {size} [rbp - {rng.randrange(8, 64)}], 0x90",
                    f"cmpxchg16b [{place & ~15}]\ncmpxchg8b [{place}]\nfstp tword [{place}]",
                ]
            )
        )
    return "\n".join([*lines, "jmp here"])


def store_guest(seed: int) -> Machine:
    return flat_origin(assemble(store_program(random.Random(seed)), origin=1 << 20), CpuMode.LONG64).machine()


def compare(machine: Machine, again: Machine, seed: object, ticks: int = TICKS) -> int:
    accesses = all_accesses(machine, ticks)
    return check(accesses, parts_of(again, random.Random(repr(seed)), ticks))


@pytest.mark.parametrize("guest", GUESTS)
def test_of_guests_of_all_modes(guest: str) -> None:
    compare(machine_of(guest), machine_of(guest), guest)


def test_where_devices_write_memory() -> None:
    with fitted_devices(copier.__name__):
        compare(dma_machine(), dma_machine(), 1, 20 * TICKS)


def test_of_random_code() -> None:
    for seed in range(12):
        compare(random_origin(seed).machine(), random_origin(seed).machine(), seed, TICKS // 4)


def test_of_stores_of_every_kind() -> None:
    assert sum(compare(store_guest(seed), store_guest(seed), seed, 3 * TICKS) for seed in range(8)) > 100


SCATTERED = f"""
    mov ebx, {{seed}}
again:
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov edi, ebx
    shr edi, 12
    and edi, {{mask}}
    or edi, {4 << 20}
    add [rdi], ebx
    test ebx, {{flushed}}
    jnz again
    mov rax, cr3
    mov cr3, rax
    jmp again
"""


def test_of_more_pages_than_were_found_lately() -> None:
    """Of a few, which come again after each change of CR3, of some, and of thousands."""
    passed_over = 0
    for seed, mask in enumerate([0x7FFF, 0x1FFFFF, 0x7FFFFF]):
        code = assemble(SCATTERED.format(seed=seed, mask=mask & ~7, flushed=0x1F00000), origin=1 << 20)
        one, other = (flat_origin(code, CpuMode.LONG64, memory=16 << 20).machine() for _ in range(2))
        passed_over += compare(one, other, seed, 6 * TICKS)
    assert passed_over > 100


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_at_length() -> None:
    for seed in range(100, 500):
        compare(store_guest(seed), store_guest(seed), seed, 8 * TICKS)
        compare(random_origin(seed).machine(), random_origin(seed).machine(), seed)
