"""What tracepoints have collected: frames in a buffer of bounded size, in the order of time."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from gdbstub.breakpoints import Tracepoint
from gdbstub.requests.tracing import Action, DefineTracepoint

BUFFER_BYTES = 5 << 20
"""As much as gdbserver keeps."""
FRAME_BYTES = 64
REGISTER_BYTES = 16
"""What a frame and a register in it are taken to cost besides their contents."""


@dataclass(slots=True, order=True)
class CollectedFrame:
    """One hit of a tracepoint, or one step after it: `steps` instructions on.

    `moment` orders hits in time.
    """

    moment: int
    steps: int
    tracepoint: int
    pc: int = field(compare=False)
    registers: dict[int, bytes] = field(default_factory=dict, compare=False)
    memory: list[tuple[int, bytes]] = field(default_factory=list, compare=False)
    variables: dict[int, int] = field(default_factory=dict, compare=False)

    @property
    def size(self) -> int:
        """Bytes that it takes of the buffer."""
        contents = sum(len(value) for value in self.registers.values()) + sum(len(data) for _, data in self.memory)
        return FRAME_BYTES + contents + REGISTER_BYTES * (len(self.registers) + len(self.memory) + len(self.variables))

    def read(self, address: int, length: int) -> bytes:
        """The collected prefix of [address, address + length), which may lie in several pieces."""
        found = b""
        while len(found) < length:
            here = address + len(found)
            piece = next((item for item in self.memory if item[0] <= here < item[0] + len(item[1])), None)
            if piece is None:
                break
            start, data = piece
            found += data[here - start :]
        return found[:length]


class TraceBuffer:
    """Frames, oldest first. Full, it takes no more; a circular one forgets the oldest."""

    def __init__(self) -> None:
        self.frames: list[CollectedFrame] = []
        self.circular = False
        self.created = 0
        self.used = 0
        self._known: set[tuple[int, int, int]] = set()

    def add(self, frame: CollectedFrame) -> bool:
        """False when it is full. A frame of an instant that was seen before, going back and forth, is no new one."""
        key = frame.moment, frame.steps, frame.tracepoint
        if key in self._known:
            return True
        while self.circular and self.frames and self.used + frame.size > BUFFER_BYTES:
            oldest = self.frames.pop(0)
            self.used -= oldest.size
            self._known.discard((oldest.moment, oldest.steps, oldest.tracepoint))
        if self.used + frame.size > BUFFER_BYTES:
            return False
        self._known.add(key)
        insort(self.frames, frame)
        self.used += frame.size
        self.created += 1
        return True

    def knows(self, moment: int, tracepoint: int) -> bool:
        return (moment, 0, tracepoint) in self._known


@dataclass(slots=True)
class Traced:
    """One tracepoint as its client has defined it, and what came of it."""

    definition: DefineTracepoint
    actions: list[Action] = field(default_factory=list)
    step_actions: list[Action] = field(default_factory=list)
    stepping: bool = False
    hits: int = 0
    used: int = 0
    point: Tracepoint | None = None


@dataclass(slots=True)
class Trace:
    """One client's trace run. `why` says why it is over, in the words of qTStatus; `owed` are hits whose steps have
    still to be collected.
    """

    points: dict[tuple[int, int], Traced] = field(default_factory=dict)
    variables: dict[int, int] = field(default_factory=dict)
    buffer: TraceBuffer = field(default_factory=TraceBuffer)
    running: bool = False
    why: str = "tnotrun:0"
    owed: list[tuple[int, Traced]] = field(default_factory=list)
    selected: int | None = None

    @property
    def frame(self) -> CollectedFrame | None:
        """The frame that the client looks at in place of the target."""
        return self.buffer.frames[self.selected] if self.selected is not None else None
