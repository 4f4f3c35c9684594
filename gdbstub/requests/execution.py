"""?, c C s S, vCont, bs bc, non-stop mode and its notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import (
    MalformedError,
    ThreadRef,
    constant,
    flag,
    number,
    pair,
    shown,
    thread_ref,
)
from gdbstub.target import Action, Continue, RangeStep, Step, Stop


@dataclass(frozen=True, slots=True)
class WhyStopped:
    """?"""


@dataclass(frozen=True, slots=True)
class Resume:
    """c C s S: `address`, when given, is where to go on from."""

    action: Continue | Step
    address: int | None = None


@dataclass(frozen=True, slots=True)
class ResumeThreads:
    """vCont;action[:thread]... The leftmost action that names a thread is the thread's."""

    actions: tuple[tuple[Action, ThreadRef | None], ...]


@dataclass(frozen=True, slots=True)
class ResumeActions:
    """vCont?"""


@dataclass(frozen=True, slots=True)
class ReverseStep:
    """bs"""


@dataclass(frozen=True, slots=True)
class ReverseContinue:
    """bc"""


@dataclass(frozen=True, slots=True)
class NonStop:
    """QNonStop:on"""

    on: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """vStopped: the notification was seen, tell the next."""


@dataclass(frozen=True, slots=True)
class InterruptAll:
    """vCtrlC: Ctrl-C as a packet, for non-stop mode."""


@dataclass(frozen=True, slots=True)
class ThreadEvents:
    """QThreadEvents:on"""

    on: bool


ExecutionRequest = (
    WhyStopped
    | Resume
    | ResumeThreads
    | ResumeActions
    | ReverseStep
    | ReverseContinue
    | NonStop
    | Stopped
    | InterruptAll
    | ThreadEvents
)


def _resume(fields: bytes, action: type[Continue | Step]) -> ExecutionRequest:
    return Resume(action(), number(fields, "address") if fields else None)


def _resume_signalled(fields: bytes, action: type[Continue | Step]) -> ExecutionRequest:
    signal, found, address = fields.partition(b";")
    return Resume(action(_signal(signal)), number(address, "address") if found else None)


def _signal(field: bytes) -> int:
    value = number(field, "signal")
    if value > 0xFF:
        raise MalformedError(f"signal {value:#x} is out of range")
    return value


def _vcont(fields: bytes) -> ExecutionRequest:
    if fields == b"?":
        return ResumeActions()
    if not fields.startswith(b";"):
        raise MalformedError("vCont: no action")
    return ResumeThreads(tuple(_vcont_action(item) for item in fields[1:].split(b";")))


def _vcont_action(item: bytes) -> tuple[Action, ThreadRef | None]:
    action, found, thread = item.partition(b":")
    return _action(action), thread_ref(thread) if found else None


def _action(field: bytes) -> Action:
    letter, rest = field[:1], field[1:]
    if letter == b"r":
        start, end = pair(rest, b",", "vCont;r")
        return RangeStep(number(start, "vCont;r"), number(end, "vCont;r"))
    if letter == b"C":
        return Continue(_signal(rest))
    if letter == b"S":
        return Step(_signal(rest))
    plain: dict[bytes, Action] = {b"c": Continue(), b"s": Step(), b"t": Stop()}
    if field not in plain:
        raise MalformedError(f"vCont: {shown(field)} is not an action")
    return plain[field]


PARSERS: Mapping[bytes, Callable[[bytes], ExecutionRequest]] = {
    b"?": constant(WhyStopped(), "?"),
    b"c": lambda fields: _resume(fields, Continue),
    b"s": lambda fields: _resume(fields, Step),
    b"C": lambda fields: _resume_signalled(fields, Continue),
    b"S": lambda fields: _resume_signalled(fields, Step),
    b"vCont": _vcont,
    b"bs": constant(ReverseStep(), "bs"),
    b"bc": constant(ReverseContinue(), "bc"),
    b"QNonStop": lambda fields: NonStop(flag(fields.removeprefix(b":"), "QNonStop")),
    b"vStopped": constant(Stopped(), "vStopped"),
    b"vCtrlC": constant(InterruptAll(), "vCtrlC"),
    b"QThreadEvents": lambda fields: ThreadEvents(flag(fields.removeprefix(b":"), "QThreadEvents")),
}
