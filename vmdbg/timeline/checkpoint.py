"""Checkpoints: the whole machine at instants from which it can run on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from vmdbg.machine.snapshot import MachineState, Position
from vmdbg.timeline.page_tree import size_besides, size_together
from vmdbg.timeline.pages import PageStore
from vmdbg.timeline.ram import RamImage
from vmdbg.units import Tick

DEFAULT_BUDGET = 512 << 20
"""Bytes of memory for checkpoints."""
COOLED_AT_ONCE = 256
"""Pages, before it is looked whether that will do."""
MOST = 600
"""Checkpoints kept however small they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The machine at `position`, when it had taken `inputs` inputs. Holds nothing of a debugger's."""

    position: Position
    state: MachineState
    ram: RamImage
    inputs: int
    halted_at: Tick | None = None
    """When the CPU halted, if it is halted and that is known."""

    @property
    def own_size(self) -> int:
        """Bytes besides the pages and what images share."""
        state = self.state
        devices = sum(map(len, state.devices.values()))
        notes = len(state.cpu.deliveries) + len(state.unanswered)
        return len(state.cpu.state) + len(state.cpu.tlb) + notes + devices + len(state.scheduler)


class Checkpoints:
    """All checkpoints of a timeline in order, thinned to a budget. The first one stays for ever."""

    def __init__(self, first: Checkpoint, store: PageStore, budget: int = DEFAULT_BUDGET) -> None:
        self._all = [first]
        self._seconds = {first.position: 0.0}
        self._store = store
        self.budget = budget
        self._besides = self._besides_pages()
        self._cooled = 0
        """What memory() was when all was compressed last."""

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def first(self) -> Checkpoint:
        return self._all[0]

    def nearest(self, position: Position) -> Checkpoint:
        """The last at or before `position`, which is not before the first one's."""
        at = bisect_right(self._all, position, key=_position)
        return self._all[max(at - 1, 0)]

    def before(self, position: Position) -> Checkpoint | None:
        """The last before `position`."""
        at = bisect_left(self._all, position, key=_position)
        return self._all[at - 1] if at else None

    def seconds(self, checkpoint: Checkpoint) -> float:
        """CPU time that replaying to it from the one before takes, as measured on whatever host; 0: not known."""
        return self._seconds.get(checkpoint.position, 0.0)

    def add(self, checkpoint: Checkpoint, cursor: Position, seconds: float) -> None:
        """Keep it; others may go, rather those far from `cursor` and close together. `seconds`: see seconds()."""
        at = bisect_left(self._all, checkpoint.position, key=_position)
        if at < len(self._all) and self._all[at].position == checkpoint.position:
            return
        if at < len(self._all):
            after = self._all[at].position
            self._seconds[after] = max(0.0, self._seconds[after] - seconds)
        self._besides += checkpoint.own_size + size_besides(checkpoint.ram.root, self._all[max(at - 1, 0)].ram.root)
        self._all.insert(at, checkpoint)
        self._seconds[checkpoint.position] = seconds
        if len(self._all) > MOST:
            self._thin(cursor, MOST * 7 // 8)
        self.fit(cursor)

    def replayed(self, start: Position, end: Position, seconds: float) -> None:
        """Going from one to another has taken so long: believe it if they are neighbours."""
        before = self.before(end)
        if before is not None and before.position == start and end in self._seconds:
            self._seconds[end] = seconds

    def drop_after(self, position: Position) -> None:
        """That future will not happen."""
        self._keep(self._all[: bisect_right(self._all, position, key=_position)])

    def forget(self, checkpoint: Checkpoint) -> None:
        """It cannot be restored; if it is the first, it stays."""
        self._keep([self._all[0], *(one for one in self._all[1:] if one is not checkpoint)])

    def clear(self) -> None:
        """Forget all but the first."""
        self._keep(self._all[:1])

    def let_go(self) -> None:
        """Nobody goes back any more: hold no pages."""
        zeros = RamImage.filled(self._store.zero, self.first.ram.count)
        self._keep([replace(self.first, ram=zeros)])

    def _keep(self, kept: list[Checkpoint]) -> None:
        """Only these. What it took to come to others it takes to come to those after them."""
        seconds, passed = {}, 0.0
        left = {checkpoint.position for checkpoint in kept}
        for checkpoint in self._all:
            passed += self._seconds[checkpoint.position]
            if checkpoint.position in left:
                seconds[checkpoint.position], passed = passed, 0.0
        self._all, self._seconds = kept, seconds
        self._besides = self._besides_pages()

    def memory(self) -> int:
        """Bytes that all of them take together, about."""
        return self._store.size() + self._besides

    def _besides_pages(self) -> int:
        trees = size_together(checkpoint.ram.root for checkpoint in self._all)
        return sum(checkpoint.own_size for checkpoint in self._all) + trees

    @property
    def is_roomy(self) -> bool:
        """Whether there is so much room that nothing need be compressed."""
        return self.memory() <= self.budget // 2

    def fit(self, cursor: Position) -> None:
        """Come down to the budget."""
        if self.memory() > max(self.budget * 7 // 8, self._cooled + self.budget // 16):
            self._cool(cursor, self.budget * 3 // 4)
        while self.memory() > self.budget and len(self._all) > 2:
            self._thin(cursor, max(2, len(self._all) * 3 // 4))

    def _cool(self, cursor: Position, goal: int) -> None:
        """Compress what the checkpoint at the cursor does not hold, until `goal` is reached."""
        store = self._store
        store.recount()
        warm = set(map(id, self.nearest(cursor).ram.besides(store.zero)[1]))
        others = (page for page in store.pages() if id(page) not in warm)
        while self.memory() > goal and (some := list(islice(others, COOLED_AT_ONCE))):
            store.cool(some)
        self._cooled = self.memory()

    def _thin(self, cursor: Position, count: int) -> None:
        """Drop all but `count`, so that gaps grow with the distance from the cursor."""
        while len(self._all) > count:
            every = [self._worth(index, cursor) for index in range(1, len(self._all))]
            surplus = len(self._all) - count
            doomed = set(sorted(range(len(every)), key=every.__getitem__)[: max(1, surplus // 2)])
            kept = [c for index, c in enumerate(self._all[1:]) if index not in doomed or index - 1 in doomed]
            self._keep([self._all[0], *kept])

    def _worth(self, index: int, cursor: Position) -> float:
        """How much longer a gap would get without it, seen from the cursor."""
        tick = self._all[index].position.tick
        before = self._all[index - 1].position.tick
        after = self._all[index + 1].position.tick if index + 1 < len(self._all) else 2 * tick - before
        return (after - before) / (abs(cursor.tick - tick) + 1_000)


def _position(checkpoint: Checkpoint) -> Position:
    return checkpoint.position
