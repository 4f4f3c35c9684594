"""locks: who has what others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Document, Json, Style, Text, address, document, joined, table, text
from vmdbg.machine.snapshot import Position
from vmdbg.os.seam import Task
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.view import View

if TYPE_CHECKING:
    from vmdbg.os.linux.locks import HeldLock, Waiting
    from vmdbg.session.lock_history import LockHistory, Taken

COLUMNS = ("lock", "kind", "", ">pid", "task", ">since", "where")


@dataclass(frozen=True, slots=True)
class _Known:
    """A lock with what the history tells of it. `since` is for each that waits."""

    lock: HeldLock
    taken: Taken | None
    since: tuple[Position | None, ...]


def declare(parser: Parser) -> None:
    parser.add_argument(
        "--now", action="store_true", help="what the memory of this instant tells, without a search in the history"
    )


@command("locks", Group.SYSTEM, declare, aliases=("deadlocks",), examples=("locks --now", "locks"), requires=linux_here)
def locks(session: Session, arguments: Arguments) -> Document:
    """Show the locks of the kernel that somebody waits for: who has each, who waits, since when; and deadlocks.

    Mutexes, rw_semaphores, semaphores and rt_mutexes are found by who sleeps for them, spinlocks and rwlocks by the
    CPUs that spin. A mutex names who has it. A spinlock does not: whoever took it last in the history has it. `since`
    is an instant to go to. What cannot be told is said to be so.
    """
    from vmdbg.session.lock_history import LockHistory

    linux = linux_here(session)
    found = linux.locks()
    history = None if arguments.now else LockHistory(session, linux)
    known = [_looked_up(lock, history) for lock in found.held]
    remarks = [text(words, Style.DIM) for words in found.unclear]
    value = _value(session, known, found.unclear)
    if not known:
        return document(text("nobody waits for a lock", Style.DIM), *remarks, value=value)
    from vmdbg.os.linux.locks import cycles

    rows = [row for one in known for row in _rows(session, one)]
    circles = [_circle(session, circle) for circle in cycles([one.lock for one in known])]
    return document(table(COLUMNS, rows), *circles, *remarks, value=value)


def _looked_up(lock: HeldLock, history: LockHistory | None) -> _Known:
    if history is None:
        return _Known(lock, None, tuple(None for _ in lock.waiters))
    from vmdbg.os.linux.lock_words import LockKind
    from vmdbg.os.linux.locks import with_holder

    taken = history.taken(lock)
    if lock.kind is LockKind.SPINLOCK and lock.unknown and taken is not None and taken.task is not None:
        lock = with_holder(lock, taken.task)
    return _Known(lock, taken, tuple(history.waits_since(waiting) for waiting in lock.waiters))


def _rows(session: Session, known: _Known) -> list[tuple[Text, ...]]:
    lock = known.lock
    names = address(lock.address) + text(_named(session, lock), Style.SYMBOL), text(lock.kind.value)
    taken = known.taken
    where = text(session.describe(taken.pc), Style.SYMBOL) if taken is not None else text("")
    if lock.holder is not None:
        first = (*names, text("has it", Style.CURRENT), *_who(lock.holder), _instant(taken), where)
    else:
        words = lock.unknown or "nobody has it"
        first = (*names, text("?" if lock.unknown else ""), text(""), text(words, Style.DIM), _instant(taken), where)
    return [first, *(_waiting_row(one, since) for one, since in zip(lock.waiters, known.since, strict=True))]


def _waiting_row(one: Waiting, since: Position | None) -> tuple[Text, ...]:
    does = f"spins on CPU {one.cpu}" if one.cpu is not None else "waits"
    wants = f", to {one.wants}" if one.wants else ""
    position = text(str(since), Style.DIM) if since is not None else text("")
    return text(""), text(""), text(f"{does}{wants}"), *_who(one.task), position, text("")


def _who(task: Task) -> tuple[Text, Text]:
    return text(str(task.pid), Style.NUMBER, task.pid), text(task.name)


def _instant(taken: Taken | None) -> Text:
    return text(str(taken.position), Style.DIM) if taken is not None else text("")


def _named(view: View, lock: HeldLock) -> str:
    name = view.describe(lock.address)
    return f" <{name}>" if name else ""


def _circle(view: View, circle: Sequence[tuple[Task, HeldLock]]) -> Text:
    parts: list[Text | str] = [text("deadlock: ", Style.BAD)]
    for number, (task, lock) in enumerate(circle):
        named = _named(view, lock).strip(" <>") or f"{lock.address:#x}"
        holder = lock.holder
        assert holder is not None
        link = "" if number == 0 else ", and "
        parts.append(f"{link}{task.name} ({task.pid}) waits for {named}, which {holder.name} ({holder.pid}) has")
    return joined(parts)


def _value(view: View, known: Iterable[_Known], unclear: Sequence[str]) -> Json:
    from vmdbg.os.linux.locks import cycles

    listed = list(known)
    return {
        "locks": [_lock_value(view, one) for one in listed],
        "deadlocks": [[task.pid for task, _ in circle] for circle in cycles([one.lock for one in listed])],
        "unclear": list(unclear),
    }


def _lock_value(view: View, known: _Known) -> Json:
    lock, taken = known.lock, known.taken
    return {
        "address": f"{lock.address:#x}",
        "name": _named(view, lock).strip(" <>"),
        "kind": lock.kind.value,
        "holder": None if lock.holder is None else {"pid": lock.holder.pid, "name": lock.holder.name},
        "unknown": lock.unknown,
        "since": None if taken is None else str(taken.position),
        "waiters": [
            {
                "pid": one.task.pid,
                "name": one.task.name,
                "wants": one.wants,
                "cpu": one.cpu,
                "since": None if since is None else str(since),
            }
            for one, since in zip(lock.waiters, known.since, strict=True)
        ],
    }
