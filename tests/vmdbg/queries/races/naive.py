"""Races of a run, from its trace and what its instructions are known to do: by the definition, pair by pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.vmdbg.queries.races.random_programs import Deed, Touch
from vmdbg.engine.port import Engine
from vmdbg.machine.cpu_start import selected
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import PAGE_SIZE, CpuId, Physical

WORD = 8


@dataclass(frozen=True, slots=True)
class Done:
    """One instruction that ran. `tick` is after it; `free`: whether the lock was, before it."""

    cpu: int
    pc: int
    tick: int
    deed: Deed
    free: bool = False


def trace(timeline: Timeline, deeds: Mapping[int, Deed]) -> list[Done]:
    """One instruction after the other, from where the timeline stands to its end. Who ran is seen by whose pc moved."""
    machine, engine = timeline.machine, timeline.machine.engine
    locks = {deed.lock for deed in deeds.values() if deed.lock}
    found, places = [], _places(engine)
    while machine.ending is None:
        before, tick, free = places, timeline.position.tick, {lock for lock in locks if not _byte(engine, lock)}
        timeline.step()
        places = _places(engine)
        now = timeline.position.tick
        for cpu, (pc, after) in enumerate(zip(before, places, strict=True)):
            deed, arrival = deeds.get(pc), deeds.get(after)
            if deed is not None and after != pc and now > tick and deed.comes is None:
                found.append(Done(cpu, pc, now, deed, deed.lock in free))
            if arrival is not None and after != pc and arrival.comes is not None:
                found.append(Done(cpu, after, now, arrival))
    return found


def _places(engine: Engine) -> list[int]:
    """Where each CPU is."""
    found = []
    for cpu in range(len(engine.cpus)):
        with selected(engine, CpuId(cpu)):
            found.append(int(engine.linear_pc))
    return found


def _byte(engine: Engine, address: int) -> int:
    return engine.read_physical(Physical(address), 1)[0]


@dataclass(frozen=True, slots=True)
class Side:
    """Of an access to bytes of one page."""

    index: int
    cpu: int
    pc: int
    tick: int
    touch: Touch
    locks: frozenset[int]


Key = tuple[int, int, int, bool, int, int, int, bool]


@dataclass(frozen=True, slots=True)
class Expected:
    """Of accesses that race alike: the one that stands for all, and how many second ones there are."""

    first: int
    second: int
    unordered: bool
    times: int
    first_locks: frozenset[int]
    second_locks: frozenset[int]


@dataclass(slots=True)
class _Order:
    """Which deeds come before which, as sets of bits: what told whom, and of each CPU the last one's set."""

    before: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    channels: dict[object, int] = field(default_factory=lambda: defaultdict(int))

    def hear(self, cpu: int, channel: object) -> None:
        self.before[cpu] |= self.channels[channel]

    def tell(self, cpu: int, channel: object, *, anew: bool) -> None:
        self.channels[channel] = self.before[cpu] | (0 if anew else self.channels[channel])


def split(touch: Touch) -> Iterator[Touch]:
    start, end = touch.address, touch.address + touch.size
    while start < end:
        stop = min(end, start - start % PAGE_SIZE + PAGE_SIZE)
        yield Touch(start, stop - start, touch.reads, touch.writes, touch.locked)
        start = stop


def words(touch: Touch) -> set[int]:
    return {byte // WORD for byte in range(touch.address, touch.address + touch.size)}


def races(done: Iterable[Done], wanted: range, *, mixed: bool = False) -> tuple[dict[Key, Expected], set[Key]]:
    """Those of bytes in `wanted`, and the mixed ones."""
    listed = list(done)
    in_step = {word for one in listed for touch in one.deed.touches if touch.locked for word in words(touch)}
    weak, strong = _Order(), _Order()
    held: dict[int, set[int]] = defaultdict(set)
    sides: list[tuple[Side, int, int]] = []
    for index, one in enumerate(listed):
        deed, cpu = one.deed, one.cpu
        for order in (weak, strong):
            if deed.comes is not None:
                order.hear(cpu, (cpu, deed.comes))
            if deed.sends is not None:
                order.tell(cpu, deed.sends, anew=False)
        if deed.gives:
            held[cpu].discard(deed.lock)
            strong.tell(cpu, ("lock", deed.lock), anew=False)
        elif deed.lock and one.free:
            strong.hear(cpu, ("lock", deed.lock))
            held[cpu].add(deed.lock)
        for touch in (piece for whole in deed.touches for piece in split(whole)):
            channels = [("word", word) for word in sorted(words(touch) & in_step)]
            for order in (weak, strong):
                for channel in channels if touch.reads else ():
                    order.hear(cpu, channel)
            side = Side(index, cpu, one.pc, one.tick, touch, frozenset(held[cpu]))
            sides.append((side, weak.before[cpu], strong.before[cpu]))
            for order in (weak, strong):
                order.before[cpu] |= 1 << len(sides) - 1
                for channel in channels if touch.writes else ():
                    order.tell(cpu, channel, anew=not touch.reads)
    return _pairs(sides, set() if mixed else in_step, wanted)


def _pairs(
    sides: list[tuple[Side, int, int]], in_step: set[int], wanted: range
) -> tuple[dict[Key, Expected], set[Key]]:
    found: dict[Key, list[tuple[Side, Side, bool]]] = defaultdict(list)
    mixed: set[Key] = set()
    for late, (second, weak, strong) in enumerate(sides):
        for early, (first, _, _) in enumerate(sides[:late]):
            a, b = first.touch, second.touch
            shared = range(max(a.address, b.address), min(a.address + a.size, b.address + b.size))
            if first.cpu == second.cpu or not shared or not (a.writes or b.writes) or (a.locked and b.locked):
                continue
            if weak >> early & 1 or first.locks & second.locks:
                continue
            if not range(max(shared.start, wanted.start), min(shared.stop, wanted.stop)):
                continue
            key = (first.cpu, first.pc, a.address, a.writes, second.cpu, second.pc, b.address, b.writes)
            overlap = {byte // WORD for byte in shared}
            if overlap & in_step:
                mixed.add(key)
            if overlap - in_step:
                found[key].append((first, second, not strong >> early & 1))
    return {key: _summary(pairs) for key, pairs in found.items()}, mixed


def _summary(pairs: list[tuple[Side, Side, bool]]) -> Expected:
    unordered = any(pair[2] for pair in pairs)
    alike = [(first, second) for first, second, free in pairs if free == unordered]
    second = min((two for _, two in alike), key=lambda one: one.index)
    first = max((one for one, two in alike if two.index == second.index), key=lambda one: one.index)
    times = len({two.index for _, two, _ in pairs})
    return Expected(first.tick, second.tick, unordered, times, first.locks, second.locks)


Step = tuple[int, int, int, int]
"""CPU, pc, tick and address of an access."""


def steps(done: Iterable[Done], cleared: range, data: range) -> set[Step]:
    """Accesses that another CPU's depend on or that depend on another CPU's, by the bytes of `data`.

    The first CPU has `cleared` some a word at a time before.
    """
    first = [Side(-1, 0, 0, 0, Touch(at, WORD, False, True), frozenset()) for at in cleared[::WORD]]
    sides = [
        *first,
        *(
            Side(index, one.cpu, one.pc, one.tick, piece, frozenset())
            for index, one in enumerate(done)
            for touch in one.deed.touches
            for piece in split(touch)
        ),
    ]
    bound: set[int] = set()
    for byte in data:
        places = [
            at for at, side in enumerate(sides) if side.touch.address <= byte < side.touch.address + side.touch.size
        ]
        for late in range(len(places)):
            for early in reversed(range(late)):
                between = [sides[at] for at in places[early + 1 : late]]
                if any(side.touch.writes for side in between):
                    break
                if _depends(sides[places[early]], sides[places[late]], between):
                    bound |= {places[early], places[late]}
    kept = (sides[at] for at in bound if sides[at].index >= 0)
    return {(side.cpu, side.pc, side.tick, side.touch.address) for side in kept}


def _depends(first: Side, second: Side, readers: list[Side]) -> bool:
    """With nothing but reads between them."""
    a, b = first.touch, second.touch
    if first.cpu == second.cpu:
        return False
    reads_it = a.writes and b.reads and all(side.cpu != second.cpu for side in readers)
    after_read = a.reads and not a.writes and b.writes and all(side.cpu != first.cpu for side in readers)
    return reads_it or after_read or (a.writes and b.writes and not b.reads and not readers)
