"""H T qC and the ways to list threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import MalformedError, ThreadRef, constant, thread_ref


@dataclass(frozen=True, slots=True)
class SelectThread:
    """H op thread: `for_execution` when op is c, else for registers and memory."""

    for_execution: bool
    thread: ThreadRef


@dataclass(frozen=True, slots=True)
class ThreadAlive:
    """T thread"""

    thread: ThreadRef


@dataclass(frozen=True, slots=True)
class CurrentThread:
    """qC"""


@dataclass(frozen=True, slots=True)
class FirstThreads:
    """qfThreadInfo"""


@dataclass(frozen=True, slots=True)
class MoreThreads:
    """qsThreadInfo"""


@dataclass(frozen=True, slots=True)
class ThreadExtraInfo:
    """qThreadExtraInfo,thread"""

    thread: ThreadRef


ThreadsRequest = SelectThread | ThreadAlive | CurrentThread | FirstThreads | MoreThreads | ThreadExtraInfo


def _select(fields: bytes) -> ThreadsRequest:
    if fields[:1] not in (b"c", b"g"):
        raise MalformedError("H: neither Hc nor Hg")
    return SelectThread(fields[:1] == b"c", thread_ref(fields[1:]))


PARSERS: Mapping[bytes, Callable[[bytes], ThreadsRequest]] = {
    b"H": _select,
    b"T": lambda fields: ThreadAlive(thread_ref(fields)),
    b"qC": constant(CurrentThread(), "qC"),
    b"qfThreadInfo": constant(FirstThreads(), "qfThreadInfo"),
    b"qsThreadInfo": constant(MoreThreads(), "qsThreadInfo"),
    b"qThreadExtraInfo": lambda fields: ThreadExtraInfo(thread_ref(fields.removeprefix(b","))),
}
