"""LLDB's extensions (LLDB, docs/resources/lldbgdbremote.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import ThreadRef, constant, number, thread_ref


@dataclass(frozen=True, slots=True)
class HostInfo:
    """qHostInfo"""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """qProcessInfo"""


@dataclass(frozen=True, slots=True)
class RegisterInfo:
    """qRegisterInfo number"""

    number: int


@dataclass(frozen=True, slots=True)
class ThreadsInfo:
    """jThreadsInfo"""


@dataclass(frozen=True, slots=True)
class ThreadStopInfo:
    """qThreadStopInfo thread"""

    thread: ThreadRef


@dataclass(frozen=True, slots=True)
class MemoryRegionInfo:
    """qMemoryRegionInfo:addr; without an address it asks whether the packet is known."""

    address: int | None


@dataclass(frozen=True, slots=True)
class ListThreadsInStopReply:
    """QListThreadsInStopReply"""


@dataclass(frozen=True, slots=True)
class ThreadSuffix:
    """QThreadSuffixSupported"""


@dataclass(frozen=True, slots=True)
class EnableErrorStrings:
    """QEnableErrorStrings"""


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """qGDBServerVersion"""


@dataclass(frozen=True, slots=True)
class AttachOrWaitSupported:
    """qVAttachOrWaitSupported"""


@dataclass(frozen=True, slots=True)
class WatchpointSupport:
    """qWatchpointSupportInfo: how many watchpoints there are."""


@dataclass(frozen=True, slots=True)
class Echo:
    """qEcho:text comes back as it is; LLDB resynchronises with it."""

    text: str


LldbRequest = (
    HostInfo
    | ProcessInfo
    | RegisterInfo
    | ThreadsInfo
    | ThreadStopInfo
    | MemoryRegionInfo
    | ListThreadsInStopReply
    | ThreadSuffix
    | EnableErrorStrings
    | ServerVersion
    | AttachOrWaitSupported
    | WatchpointSupport
    | Echo
)


def _memory_region(fields: bytes) -> LldbRequest:
    return MemoryRegionInfo(number(fields[1:], "qMemoryRegionInfo") if fields else None)


PARSERS: Mapping[bytes, Callable[[bytes], LldbRequest]] = {
    b"qHostInfo": constant(HostInfo(), "qHostInfo"),
    b"qProcessInfo": constant(ProcessInfo(), "qProcessInfo"),
    b"jThreadsInfo": constant(ThreadsInfo(), "jThreadsInfo"),
    b"qMemoryRegionInfo": _memory_region,
    b"QListThreadsInStopReply": constant(ListThreadsInStopReply(), "QListThreadsInStopReply"),
    b"QThreadSuffixSupported": constant(ThreadSuffix(), "QThreadSuffixSupported"),
    b"QEnableErrorStrings": constant(EnableErrorStrings(), "QEnableErrorStrings"),
    b"qGDBServerVersion": constant(ServerVersion(), "qGDBServerVersion"),
    b"qVAttachOrWaitSupported": constant(AttachOrWaitSupported(), "qVAttachOrWaitSupported"),
    b"qWatchpointSupportInfo": lambda _: WatchpointSupport(),
    b"qEcho": lambda fields: Echo(fields.removeprefix(b":").decode("ascii", "replace")),
}

PREFIXES: Mapping[bytes, Callable[[bytes], LldbRequest]] = {
    b"qRegisterInfo": lambda fields: RegisterInfo(number(fields, "qRegisterInfo")),
    b"qThreadStopInfo": lambda fields: ThreadStopInfo(thread_ref(fields)),
}
"""Packets whose field follows the name with nothing between."""
