"""What happened that bears on races, in the order in which it happened: a stream of these, from whatever saw it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.call_queues import Called

Lock = Hashable
"""What names a lock: the same for all CPUs."""
Channel = Hashable
"""What names something by which one CPU can know what another has done."""
Owner = Hashable
"""Who holds locks beside the CPUs: tasks, which take those along that they sleep with."""


@dataclass(frozen=True, slots=True)
class Access:
    """`size` bytes of physical memory from `address` are read, written, or both, by the instruction at `pc`.

    `locked`: in one step that no other CPU sees half done. `position` is after the instruction; `old` and `new` are
    what was there before and after it, and `linear` where the CPU saw it.
    """

    cpu: int
    position: Position
    pc: int
    address: int
    size: int
    reads: bool
    writes: bool
    locked: bool = False
    linear: int = 0
    old: bytes = b""
    new: bytes = b""


@dataclass(frozen=True, slots=True)
class Acquire:
    """A lock is had from here on; `shared` with others that have it so. `owner` None: the CPU has it, not its task.

    `by` here and elsewhere: the function that says so, if one does.
    """

    cpu: int
    position: Position
    lock: Lock
    shared: bool = False
    owner: Owner = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A lock is given back, by whoever runs; `owner` as it was when it was acquired."""

    cpu: int
    position: Position
    lock: Lock
    shared: bool = False
    owner: Owner = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """What the CPU has done so far comes before whatever awaits the channel later.

    `fresh`: what was posted before is not known to those that await it from now on, as when a word is stored anew.
    `whom`: what people call the task that is woken.
    """

    cpu: int
    position: Position
    channel: Channel
    fresh: bool = False
    by: str = ""
    whom: str = ""


@dataclass(frozen=True, slots=True)
class Await:
    """What was posted to the channel comes before all that the CPU does from here on.

    `called`: what a Linux has the CPU run, by an interrupt that is for that.
    """

    cpu: int
    position: Position
    channel: Channel
    by: str = ""
    called: tuple[Called, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """The CPU runs another task from here on, with the locks that this one has. `name` is what people call it."""

    cpu: int
    position: Position
    owner: Owner
    name: str = ""


@dataclass(frozen=True, slots=True)
class Renew:
    """Memory was given to somebody anew: what was there before is of no concern to what comes."""

    cpu: int
    position: Position
    address: int
    size: int


Event = Access | Acquire | Release | Post | Await | Switch | Renew
