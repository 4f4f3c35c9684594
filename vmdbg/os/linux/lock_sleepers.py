"""Who sleeps for a lock, and for which: by what each puts on its own stack while it waits (kernel/locking/).

`struct mutex_waiter`, `rwsem_waiter` and `semaphore_waiter` begin with their place in the list of the lock, and name
their task. Which of them it is, the function says that sleeps. The lock is at the head of the list; since 7.1, whose
locks point to their first waiter, the task says which it waits for. Only what agrees from both sides is told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.types import NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.os.linux.lock_words import TYPES, LockKind
from vmdbg.os.linux.stacks import task_stack
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_WAITERS = 4096
MAX_FRAMES = 12
"""Of the innermost, in which somebody who waits is in a lock's function."""
_KIND_BITS = 3
"""`task_struct.blocker`: below the address of a lock what it is (include/linux/hung_task.h)."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """The address of a task; `place` is that of what it has put on its stack, 0 for who spins: on `cpu`, in `spin`."""

    task: int
    place: int
    wants: str
    cpu: int | None = None
    spin: Linear | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """`functions` begin with these names."""

    kind: LockKind
    waiter: str
    functions: tuple[str, ...]


SHAPES = (
    Shape(LockKind.MUTEX, "struct mutex_waiter", ("__mutex_lock", "mutex_lock", "__ww_mutex_lock", "ww_mutex_lock")),
    Shape(LockKind.RWSEM, "struct rwsem_waiter", ("rwsem_down_", "down_write", "down_read")),
    Shape(LockKind.SEMAPHORE, "struct semaphore_waiter", ("__down", "down")),
)
READ = 1
"""RWSEM_WAITING_FOR_READ."""


class Sleepers:
    """Finds them in one kernel at one instant. `tasks` are the addresses of all tasks there are."""

    def __init__(self, kernel: Kernel, unwinder: Unwinder, tasks: frozenset[int]) -> None:
        self._kernel = kernel
        self._unwinder = unwinder
        self._tasks = tasks

    def waits_for(self, task: Value) -> tuple[LockKind, Linear, Waiter] | None:
        """What a task that does not run waits for; None if that is no lock, or cannot be told."""
        try:
            return self._on_rt_mutex(task) or self._asleep(task)
        except (UnmappedLinearError, NoSuchTypeError):
            return None

    def _on_rt_mutex(self, task: Value) -> tuple[LockKind, Linear, Waiter] | None:
        if not task.has_("pi_blocked_on") or not task.pi_blocked_on:
            return None
        waiter = task.pi_blocked_on
        return LockKind.RT_MUTEX, Linear(int(waiter.lock)), Waiter(task.address_ or 0, int(waiter), "")

    def _asleep(self, task: Value) -> tuple[LockKind, Linear, Waiter] | None:
        places = [place for place in self._candidates(task) if self._is_linked(place)]
        shape = self._shape(task) if places else None
        if shape is None:
            return None
        for place in places:
            lock = self._lock(task, shape, place)
            if lock is not None:
                wants = self._wants(shape, place)
                return shape.kind, lock, Waiter(task.address_ or 0, place, wants)
        return None

    def _candidates(self, task: Value) -> Iterator[int]:
        """Where on its stack a waiter may begin: two pointers before its own address."""
        sp, end = int(task.thread.sp), task_stack(task).end
        if not 0 <= end - sp <= task_stack(task).end - task_stack(task).start:
            return
        raw = self._kernel.memory.read(sp, (end - sp) & ~7)
        for index, (word,) in enumerate(struct.iter_unpack("<Q", raw)):
            if word == task.address_ and index >= 2:
                yield sp + 8 * (index - 2)

    def _is_linked(self, place: int) -> bool:
        following, before = self._kernel.memory.words(place, 2)
        try:
            return self._kernel.memory.u64(following + 8) == place == self._kernel.memory.u64(before)
        except UnmappedLinearError:
            return False

    def _shape(self, task: Value) -> Shape | None:
        """By the function that sleeps."""
        for frame in self._unwinder.sleeping(task).frames[:MAX_FRAMES]:
            name = frame.location.symbol.name if frame.location is not None else ""
            for shape in SHAPES:
                if name.startswith(shape.functions) and "trylock" not in name:
                    return shape
        return None

    def _lock(self, task: Value, shape: Shape, place: int) -> Linear | None:
        type_ = self._kernel.type(TYPES[shape.kind])
        others = list(self._list(place))
        if type_.has("first_waiter"):
            return self._named(task, shape, type_.offset_of("first_waiter"), others)
        heads = [one for one in others if not self._is_waiter(one)]
        return Linear(heads[0] - type_.offset_of("wait_list")) if len(heads) == 1 else None

    def _named(self, task: Value, shape: Shape, offset: int, waiters: list[int]) -> Linear | None:
        """The lock that the task says it waits for, if one of these is the first there."""
        names = [int(task.member_(name)) for name in ("blocker", "blocked_on") if task.has_(name)]
        for name in names:
            lock = name & ~_KIND_BITS
            if lock and self._kernel.memory.u64(lock + offset) in waiters and all(map(self._is_waiter, waiters)):
                return Linear(lock)
        return None

    def _list(self, place: int) -> Iterator[int]:
        """All places of a circular list, from one on."""
        at = place
        for _ in range(MAX_WAITERS):
            yield at
            at = self._kernel.memory.u64(at)
            if at == place:
                return

    def _is_waiter(self, place: int) -> bool:
        return self._kernel.memory.u64(place + 16) in self._tasks

    def _wants(self, shape: Shape, place: int) -> str:
        if shape.kind is not LockKind.RWSEM:
            return ""
        return "read" if int(self._kernel.object(shape.waiter, place).type) == READ else "write"
