"""What functions of Linux say about who waits for whom: their locks, and how they tell each other (kernel/locking/,
kernel/sched/completion.c, kernel/workqueue.c, kernel/sched/core.c).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum


class Deed(Enum):
    """What is done with the first argument."""

    ACQUIRE = "acquire"
    RELEASE = "release"
    DOWNGRADE = "downgrade"
    POST = "post"
    AWAIT = "await"
    SWITCH = "switch"
    """From the first argument, a task, to the second."""


class When(Enum):
    """The instant at which it is done, and if at the return, for which results."""

    ENTRY = "entry"
    RETURN = "return"
    IF_ZERO = "zero"
    IF_NOT_ZERO = "not zero"


@dataclass(frozen=True, slots=True)
class Rule:
    """`sleeps`: a task has the lock; else the CPU. `argument` is which of the function's is meant, from 0 on."""

    deed: Deed
    when: When = When.ENTRY
    shared: bool = False
    sleeps: bool = False
    argument: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """Functions that belong together. Without all of `needed` none is of use: they are compiled into their callers."""

    name: str
    needed: tuple[str, ...]
    rules: dict[str, Rule]


def _all(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


def _lock(prefix: str, *, shared: bool, tried: str) -> dict[str, Rule]:
    """`_raw_spin_lock` and its kin."""
    variants = ("", "_bh", "_irq", "_irqsave")
    taken = _all(" ".join(f"{prefix}_lock{variant}" for variant in variants), Rule(Deed.ACQUIRE, When.RETURN, shared))
    tries = _all(tried, Rule(Deed.ACQUIRE, When.IF_NOT_ZERO, shared))
    given = _all(" ".join(unlocks(prefix)), Rule(Deed.RELEASE, shared=shared))
    return taken | tries | given


def unlocks(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_unlock{variant}" for variant in ("", "_bh", "_irq", "_irqrestore"))


_SLEEPS = Rule(Deed.ACQUIRE, When.RETURN, sleeps=True)
_OR_NOT = Rule(Deed.ACQUIRE, When.IF_ZERO, sleeps=True)
_TRIES = Rule(Deed.ACQUIRE, When.IF_NOT_ZERO, sleeps=True)
_READS = Rule(Deed.ACQUIRE, When.RETURN, shared=True, sleeps=True)
_READS_OR_NOT = Rule(Deed.ACQUIRE, When.IF_ZERO, shared=True, sleeps=True)
_READS_IF = Rule(Deed.ACQUIRE, When.IF_NOT_ZERO, shared=True, sleeps=True)
_GIVES = Rule(Deed.RELEASE, sleeps=True)

WAKES = ("try_to_wake_up", "wake_up_new_task")
"""Those whose argument is a task."""
SWITCHES = "__switch_to_asm"

FAMILIES = (
    Family(
        "spinlocks",
        unlocks("_raw_spin"),
        _lock("_raw_spin", shared=False, tried="_raw_spin_trylock _raw_spin_trylock_bh"),
    ),
    Family(
        "rwlocks",
        (*unlocks("_raw_read"), *unlocks("_raw_write")),
        _lock("_raw_read", shared=True, tried="_raw_read_trylock")
        | _lock("_raw_write", shared=False, tried="_raw_write_trylock"),
    ),
    Family(
        "mutexes",
        ("mutex_lock", "mutex_unlock"),
        _all("mutex_lock mutex_lock_io", _SLEEPS)
        | _all("mutex_lock_interruptible mutex_lock_killable ww_mutex_lock ww_mutex_lock_interruptible", _OR_NOT)
        | _all("mutex_trylock", _TRIES)
        | _all("mutex_unlock ww_mutex_unlock", _GIVES),
    ),
    Family(
        "rw_semaphores",
        ("down_read", "up_read", "down_write", "up_write"),
        _all("down_read", _READS)
        | _all("down_read_interruptible down_read_killable", _READS_OR_NOT)
        | _all("down_read_trylock", _READS_IF)
        | _all("down_write", _SLEEPS)
        | _all("down_write_killable", _OR_NOT)
        | _all("down_write_trylock", _TRIES)
        | _all("up_read", Rule(Deed.RELEASE, shared=True, sleeps=True))
        | _all("up_write", _GIVES)
        | _all("downgrade_write", Rule(Deed.DOWNGRADE, sleeps=True)),
    ),
    Family(
        "rt_mutexes",
        ("rt_mutex_lock", "rt_mutex_unlock"),
        _all("rt_mutex_lock", _SLEEPS)
        | _all("rt_mutex_lock_interruptible rt_mutex_lock_killable", _OR_NOT)
        | _all("rt_mutex_trylock", _TRIES)
        | _all("rt_mutex_unlock", _GIVES),
    ),
    Family(
        "semaphores",
        ("down", "up"),
        _all("up", Rule(Deed.POST))
        | _all("down", Rule(Deed.AWAIT, When.RETURN))
        | _all("down_interruptible down_killable down_trylock down_timeout", Rule(Deed.AWAIT, When.IF_ZERO)),
    ),
    Family(
        "completions",
        ("complete", "wait_for_completion"),
        _all("complete complete_all", Rule(Deed.POST))
        | _all("wait_for_completion", Rule(Deed.AWAIT, When.RETURN))
        | _all("wait_for_completion_timeout try_wait_for_completion", Rule(Deed.AWAIT, When.IF_NOT_ZERO))
        | _all("wait_for_completion_interruptible wait_for_completion_killable", Rule(Deed.AWAIT, When.IF_ZERO)),
    ),
    Family(
        "queued work",
        ("__queue_work", "process_one_work"),
        {"__queue_work": Rule(Deed.POST, argument=2), "process_one_work": Rule(Deed.AWAIT, argument=1)},
    ),
    Family(
        "wake-ups and switches of tasks",
        (SWITCHES, *WAKES),
        _all(" ".join(WAKES), Rule(Deed.POST)) | {SWITCHES: Rule(Deed.SWITCH)},
    ),
)
FUNCTIONS = tuple(name for family in FAMILIES for name in family.rules)


def usable(functions: Container[str]) -> tuple[list[Family], list[Family]]:
    """Families that a kernel with these functions has, and those that it has not."""
    found: tuple[list[Family], list[Family]] = ([], [])
    for family in FAMILIES:
        missing = any(name not in functions for name in family.needed)
        found[missing].append(family)
    return found
