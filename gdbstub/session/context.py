"""What one client has said and set, shared by the handlers of a session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.errors import TargetError
from gdbstub.framing import Framing
from gdbstub.replies import ErrorStyle
from gdbstub.requests.parsing import ANY, ThreadRef
from gdbstub.stops import StopReason, ThreadId
from gdbstub.target import Action, Memory, Target
from gdbstub.trace import Trace

PROCESS = 1
"""The one process there is."""

Actions = tuple[tuple[Action, ThreadRef | None], ...]
"""A vCont's."""

EXPEDITED = ("pc", "sp", "fp")
"""Roles of the registers that every stop reply carries, so that the client need not ask."""


@dataclass(slots=True)
class Context:
    """One client and its target. `check` is called in the course of what takes long; it ends that for a client that is
    gone. `log` takes a line for the user of this process.

    `exited`: it was told that the target has ended. `interrupting`: it has asked for the stop to come; `asking_why`:
    with a question that only a target that stands can answer. `resumed`: what its vCont said, if it let the target run
    with that. `unsaid`: refusals of which its user has seen no word.
    `told`: the latest values of registers that are not restored after a call by hand; `last_written`: the register that
    the request before this one wrote. `lost`: pieces of text that there was no room for.
    """

    target: Target
    framing: Framing
    check: Callable[[], None]
    log: Callable[[str], None]
    features: frozenset[str] = frozenset()
    error_style: ErrorStyle = ErrorStyle.NUMBER
    extended: bool = False
    non_stop: bool = False
    thread_events: bool = False
    physical: bool = False
    lldb: bool = False
    bare_binary: bool = False
    list_threads: bool = False
    attached: bool = True
    exited: bool = False
    ended: bool = False
    waiting: bool = False
    resumed: Actions = ()
    interrupting: bool = False
    asking_why: bool = False
    selected: dict[bool, ThreadRef] = field(default_factory=dict)
    running: set[ThreadId] = field(default_factory=set)
    unreported: deque[StopReason] = field(default_factory=deque)
    notifications: list[bytes] = field(default_factory=list)
    breakpoints: dict[tuple[BreakpointKind, int, int, bool], Breakpoint] = field(default_factory=dict)
    unsaid: dict[str, None] = field(default_factory=dict)
    told: dict[int, deque[bytes]] = field(default_factory=dict)
    last_written: int | None = None
    lost: int = 0
    catches: bool = False
    trace: Trace = field(default_factory=Trace)
    expedited: tuple[tuple[int, str], ...] = ()
    document: tuple[str, str, bytes] | None = None

    def __post_init__(self) -> None:
        layout = self.target.registers.layout
        known = enumerate(layout)
        self.expedited = tuple((n, f"{n:02x}:") for n, register in known if register.generic in EXPEDITED)

    @property
    def multiprocess(self) -> bool:
        return "multiprocess+" in self.features

    @property
    def memory(self) -> Memory:
        """What m, M, x, X reach: linear memory, or physical after Qqemu.PhyMemMode:1."""
        physical = self.target.physical
        return physical if self.physical and physical is not None else self.target.memory

    @property
    def has_process(self) -> bool:
        """Whether there is something to debug for this client."""
        return self.attached and not self.exited

    def threads(self) -> Sequence[ThreadId]:
        """The live threads; none after a kill, a detach or the target's end."""
        return self.target.thread_list() if self.attached and not self.exited else ()

    def show(self, thread: ThreadId) -> str:
        """A thread id as this client writes it."""
        return f"p{PROCESS:x}.{thread:x}" if self.multiprocess else f"{thread:x}"

    def threads_of(self, ref: ThreadRef) -> list[ThreadId]:
        """The live threads that `ref` means."""
        if ref.process is not None and ref.process not in (-1, ANY, PROCESS):
            return []
        threads = self.threads()
        if ref.thread == -1:
            return list(threads)
        if ref.thread == ANY:
            return list(threads[:1])
        return [ThreadId(ref.thread)] if ref.thread in threads else []

    def thread(self, ref: ThreadRef | None = None, *, for_execution: bool = False) -> ThreadId:
        """The thread of `ref`, or else the one selected with H. Raises TargetError when it is gone.

        To run any is to run the one whose registers the client looks at: gdb has no other word for it, backwards.
        """
        chosen = ref or self.selected.get(for_execution)
        if for_execution and (chosen is None or chosen.thread in (-1, ANY)):
            chosen = self.selected.get(False)
        if chosen is None:
            return self.target.first_thread
        if chosen.thread in (-1, ANY):
            chosen = ThreadRef(ANY, chosen.process)
        threads = self.threads_of(chosen)
        if not threads:
            raise TargetError(f"no thread {chosen.thread:#x}")
        return threads[0]
