"""How a run of the machine ends."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import (
    BreakpointHit,
    EventCaught,
    ExceptionDelivered,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    VoidFetch,
    WatchpointHit,
)
from vmdbg.units import CpuId, Tick


@dataclass(frozen=True, slots=True)
class PoweredOff:
    """The guest entered ACPI S5."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The guest reset the machine through the keyboard controller, port 92h, CF9h or ACPI."""


@dataclass(frozen=True, slots=True)
class TestExited:
    """The guest wrote the test-exit port: `code` as isa-debug-exit gives it, (value << 1) | 1."""

    __test__ = False
    code: int


@dataclass(frozen=True, slots=True)
class HaltedForever:
    """HLT, and nothing is left that could wake the CPU."""

    interrupts_enabled: bool


@dataclass(frozen=True, slots=True)
class DiskDone:
    """A request to a drive is done, and its data has moved. `submitted` is a tick; sectors are of 512 bytes."""

    drive: str
    operation: str
    sector: int
    count: int
    submitted: Tick


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A device has sent a message signalled interrupt: a dword to an address, that local APICs take as this."""

    device: str
    address: int
    data: int
    vector: int
    mode: str


@dataclass(frozen=True, slots=True)
class IpiSent:
    """A CPU has sent an interrupt to others, or to itself. `vector` is None of modes that have none."""

    sender: CpuId
    receivers: tuple[CpuId, ...]
    vector: int | None
    mode: str


@dataclass(frozen=True, slots=True)
class PacketPassed:
    """A network device has sent or got a frame, which is described by `info`, or has not, as `fate` says."""

    net: str
    direction: str
    source: str
    target: str
    protocol: str
    info: str
    fate: str


DeviceEvent = DiskDone | MessageSent | IpiSent | PacketPassed


@dataclass(frozen=True, slots=True)
class DevicesCaught:
    """Devices have done something that is caught, each with the catch's number. The guest stands at the first boundary
    after that: where it was due, or behind the instruction whose access did it.
    """

    hits: tuple[tuple[int, DeviceEvent], ...]


Outcome = (
    LimitReached
    | Stepped
    | BreakpointHit
    | WatchpointHit
    | ExceptionDelivered
    | EventCaught
    | DevicesCaught
    | TripleFault
    | VoidFetch
    | StopRequested
    | Stuck
    | PoweredOff
    | ResetRequested
    | TestExited
    | HaltedForever
)

TEST_PASSED = 1
"""(0 << 1) | 1: what the test-exit port makes of 0."""


def died(outcome: Outcome) -> bool:
    """Whether the guest came to an end that nobody meant."""
    match outcome:
        case TripleFault() | VoidFetch() | Stuck():
            return True
        case HaltedForever(interrupts_enabled):
            return not interrupts_enabled
        case _:
            return False


def is_death(outcome: Outcome) -> bool:
    """Whether a run that ends so has failed: died(), with nothing to wake the guest, or with a failure of its test."""
    match outcome:
        case HaltedForever():
            return True
        case TestExited(code):
            return code != TEST_PASSED
        case _:
            return died(outcome)
