"""Why a target stopped (GDB manual, Stop Reply Packets): a closed union."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NewType

ThreadId = NewType("ThreadId", int)
"""A thread as the client knows it: a positive integer. A whole-machine target has one per CPU, from 1."""

FIRST_THREAD = ThreadId(1)


class Signal(enum.IntEnum):
    """GDB's own signal numbers (include/gdb/signals.def), which are not the host's."""

    NONE = 0
    SIGHUP = 1
    SIGINT = 2
    SIGQUIT = 3
    SIGILL = 4
    SIGTRAP = 5
    SIGABRT = 6
    SIGEMT = 7
    SIGFPE = 8
    SIGKILL = 9
    SIGBUS = 10
    SIGSEGV = 11
    SIGSYS = 12
    SIGPIPE = 13
    SIGALRM = 14
    SIGTERM = 15
    SIGSTOP = 17


class Access(enum.Enum):
    """What a watchpoint watches; the value is its name in a stop reply."""

    WRITE = "watch"
    READ = "rwatch"
    EITHER = "awatch"


class Edge(enum.Enum):
    """The end of the recorded history that was reached; the value is its name in a stop reply."""

    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True)
class Signalled:
    """Stopped by a signal: SIGINT for Ctrl-C, SIGSEGV, SIGILL ... for a fault the user wants to see.

    `text`, when given, says more; the client shows it to the user.
    """

    signal: int
    thread: ThreadId = FIRST_THREAD
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step or a range step is done."""

    thread: ThreadId = FIRST_THREAD


@dataclass(frozen=True, slots=True)
class BreakpointHit:
    """The pc is at a breakpoint and its instruction has not run."""

    thread: ThreadId = FIRST_THREAD
    hardware: bool = False


@dataclass(frozen=True, slots=True)
class WatchpointHit:
    """An access to `address` was made; a write has already happened."""

    address: int
    access: Access = Access.WRITE
    thread: ThreadId = FIRST_THREAD


@dataclass(frozen=True, slots=True)
class SystemCall:
    """A caught system call is made, or `returning`; `number` is the operating system's."""

    number: int
    returning: bool = False
    thread: ThreadId = FIRST_THREAD


@dataclass(frozen=True, slots=True)
class HistoryEdge:
    """Replay reached an end of the recording. `text`, when given, says more; the client shows it to the user."""

    edge: Edge
    thread: ThreadId = FIRST_THREAD
    text: str = ""


@dataclass(frozen=True, slots=True)
class ThreadStarted:
    """`thread` is new and stopped before its first instruction. Seen by clients that asked with
    QThreadEvents.
    """

    thread: ThreadId


@dataclass(frozen=True, slots=True)
class ThreadEnded:
    """`thread` is gone. Seen by clients that asked with QThreadEvents."""

    thread: ThreadId
    status: int = 0


@dataclass(frozen=True, slots=True)
class Exited:
    """The whole target ended by itself."""

    status: int = 0


@dataclass(frozen=True, slots=True)
class Terminated:
    """The whole target was ended by a signal."""

    signal: int


@dataclass(frozen=True, slots=True)
class NoneResumed:
    """No thread that could run is left among those resumed."""


StopReason = (
    Signalled
    | Stepped
    | BreakpointHit
    | WatchpointHit
    | SystemCall
    | HistoryEdge
    | ThreadStarted
    | ThreadEnded
    | Exited
    | Terminated
    | NoneResumed
)
