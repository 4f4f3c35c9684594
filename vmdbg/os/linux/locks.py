"""Locks that somebody waits for: who has them, who waits, and who waits for whom in a circle.

Nobody in the kernel keeps a list of locks. Those that somebody waits for are found by who waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmdbg.os.linux import tasks
from vmdbg.os.linux.lock_sleepers import Sleepers, Waiter
from vmdbg.os.linux.lock_spinners import spinners
from vmdbg.os.linux.lock_words import LockKind, LockWords, lock_words
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import Task
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

_RUNNABLE = "RXZTt"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits. `wants` is `read` or `write` where that matters.

    Who sleeps has put something on its stack, at `place`; who spins does so on `cpu`, in the function at `spin`.
    """

    task: Task
    wants: str
    place: int
    cpu: int | None
    spin: Linear | None


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock, and those that wait for it. `holder` None: `unknown` says why that is not known; "": nobody has it."""

    kind: LockKind
    address: Linear
    holder: Task | None
    unknown: str
    waiters: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Locks:
    """`unclear` are remarks about those who wait for something that cannot be told."""

    held: tuple[HeldLock, ...]
    unclear: tuple[str, ...] = ()


@guarded("locks")
def locks(kernel: Kernel, unwinder: Unwinder) -> Locks:
    """All that somebody waits for, at this instant."""
    everybody = {task.address: task for task in (*tasks.tasks(kernel), *tasks.running(kernel))}
    found: defaultdict[tuple[LockKind, Linear], list[Waiter]] = defaultdict(list)
    sleepers = Sleepers(kernel, unwinder, frozenset(everybody))
    for task in everybody.values():
        if not task.is_running and task.state not in _RUNNABLE:
            asleep = sleepers.waits_for(kernel.object("struct task_struct", task.address))
            if asleep is not None:
                kind, address, waiter = asleep
                found[kind, address].append(waiter)
    unclear = _add_spinners(kernel, unwinder, found)
    held = [_held(kernel, kind, address, waiters, everybody) for (kind, address), waiters in sorted_locks(found)]
    return Locks(tuple(held), tuple(unclear))


def sorted_locks(
    found: Mapping[tuple[LockKind, Linear], list[Waiter]],
) -> Iterable[tuple[tuple[LockKind, Linear], list[Waiter]]]:
    return sorted(found.items(), key=lambda item: (item[0][0].value, item[0][1]))


def _add_spinners(
    kernel: Kernel, unwinder: Unwinder, found: defaultdict[tuple[LockKind, Linear], list[Waiter]]
) -> list[str]:
    unclear = []
    for one in spinners(kernel, unwinder):
        spin = one.spin
        if spin.address is None:
            unclear.append(f"CPU {one.cpu} spins in {spin.function}; for which {spin.kind.value} cannot be told here")
        else:
            waiter = Waiter(one.task, 0, spin.wants, one.cpu, kernel.symbol(spin.function))
            found[spin.kind, spin.address].append(waiter)
    return unclear


def _held(
    kernel: Kernel, kind: LockKind, address: Linear, waiters: Sequence[Waiter], everybody: Mapping[Linear, Task]
) -> HeldLock:
    waiting = tuple(
        Waiting(everybody[Linear(one.task)], one.wants, one.place, one.cpu, one.spin)
        for one in waiters
        if Linear(one.task) in everybody
    )
    try:
        words = lock_words(kernel, kind, address)
    except UnmappedLinearError as error:
        return HeldLock(kind, address, None, f"the lock cannot be read at {error.address:#x}", waiting)
    holder = everybody.get(Linear(words.owner))
    return HeldLock(kind, address, holder, "" if holder is not None else _unknown(words, everybody), waiting)


def _unknown(words: LockWords, everybody: Mapping[Linear, Task]) -> str:
    if words.owner:
        return f"its owner {words.owner:#x} is no task there is"
    if not words.is_held:
        return ""
    if not words.readers:
        return "the kernel does not keep who has it"
    many = f"{words.readers} reader{'s' if words.readers > 1 else ''}"
    last = everybody.get(Linear(words.last_reader))
    return f"{many}, the last that came {last.name} ({last.pid})" if last is not None else many


def cycles(held: Iterable[HeldLock]) -> list[list[tuple[Task, HeldLock]]]:
    """Circles of tasks each of which waits for a lock that the next one has; each once, from the lowest address on."""
    owned = [lock for lock in held if lock.holder is not None]
    waits = {waiting.task.address: (waiting.task, lock) for lock in owned for waiting in lock.waiters}
    found, done = [], set()
    for start in sorted(waits):
        path: list[Linear] = []
        at = start
        while at in waits and at not in path and at not in done:
            path.append(at)
            holder = waits[at][1].holder
            assert holder is not None
            at = holder.address
        if at in path:
            circle = path[path.index(at) :]
            first = circle.index(min(circle))
            found.append([waits[one] for one in (*circle[first:], *circle[:first])])
        done |= set(path)
    return found


def with_holder(lock: HeldLock, holder: Task) -> HeldLock:
    """The same, for somebody who knows more than the lock says."""
    return replace(lock, holder=holder, unknown="")
