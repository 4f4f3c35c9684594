"""What the two sides can do, monitor commands, and the coming and going of clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import MalformedError, constant, number, text


@dataclass(frozen=True, slots=True)
class Supported:
    """qSupported: what the client can do."""

    features: frozenset[str]


@dataclass(frozen=True, slots=True)
class StartNoAckMode:
    """QStartNoAckMode"""


@dataclass(frozen=True, slots=True)
class ExtendedMode:
    """!"""


@dataclass(frozen=True, slots=True)
class MustReplyEmpty:
    """vMustReplyEmpty"""


@dataclass(frozen=True, slots=True)
class MonitorCommand:
    """qRcmd,command"""

    command: str


@dataclass(frozen=True, slots=True)
class WasAttached:
    """qAttached: was the target there before the client?"""


@dataclass(frozen=True, slots=True)
class SectionOffsets:
    """qOffsets"""


@dataclass(frozen=True, slots=True)
class SymbolLookup:
    """qSymbol: the client offers to look up symbols; none is wanted."""


@dataclass(frozen=True, slots=True)
class Hint:
    """QPassSignals, QProgramSignals, QCatchSyscalls:0 ...: a wish that a target without signals has already
    met.
    """


@dataclass(frozen=True, slots=True)
class Kill:
    """k (no reply) and vKill."""

    wants_reply: bool
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Detach:
    """D[;process]"""

    process: int | None = None


@dataclass(frozen=True, slots=True)
class Attach:
    """vAttach;process"""

    process: int


@dataclass(frozen=True, slots=True)
class Restart:
    """R"""


@dataclass(frozen=True, slots=True)
class Run:
    """vRun;file;arguments: the target is what it is, so only its restart is meant."""


GeneralRequest = (
    Supported
    | StartNoAckMode
    | ExtendedMode
    | MustReplyEmpty
    | MonitorCommand
    | WasAttached
    | SectionOffsets
    | SymbolLookup
    | Hint
    | Kill
    | Detach
    | Attach
    | Restart
    | Run
)


def _supported(fields: bytes) -> GeneralRequest:
    words = fields.removeprefix(b":").decode("ascii", "replace").split(";")
    return Supported(frozenset(filter(None, words)))


def _kill_process(fields: bytes) -> GeneralRequest:
    return Kill(wants_reply=True, process=number(fields.removeprefix(b";"), "vKill"))


def _detach(fields: bytes) -> GeneralRequest:
    """D, D;process, and LLDB's D1 (detach and stay stopped)."""
    if fields.startswith(b";"):
        return Detach(number(fields[1:], "D"))
    if fields not in (b"", b"1"):
        raise MalformedError("D: not D;process")
    return Detach()


PARSERS: Mapping[bytes, Callable[[bytes], GeneralRequest]] = {
    b"qSupported": _supported,
    b"QStartNoAckMode": constant(StartNoAckMode(), "QStartNoAckMode"),
    b"!": constant(ExtendedMode(), "!"),
    b"vMustReplyEmpty": constant(MustReplyEmpty(), "vMustReplyEmpty"),
    b"qRcmd": lambda fields: MonitorCommand(text(fields.removeprefix(b","), "qRcmd")),
    b"qAttached": lambda _: WasAttached(),
    b"qOffsets": constant(SectionOffsets(), "qOffsets"),
    b"qSymbol": lambda _: SymbolLookup(),
    b"QPassSignals": lambda _: Hint(),
    b"QProgramSignals": lambda _: Hint(),
    b"k": lambda _: Kill(wants_reply=False),
    b"vKill": _kill_process,
    b"D": _detach,
    b"vAttach": lambda fields: Attach(number(fields.removeprefix(b";"), "vAttach")),
    b"R": lambda _: Restart(),
    b"vRun": lambda _: Run(),
}
