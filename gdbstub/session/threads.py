"""Answers to H T qC and thread lists."""

from __future__ import annotations

from typing import assert_never

from gdbstub.replies import Empty, Failure, Hex, Ok, Reply, Text
from gdbstub.requests.parsing import ALL, ANY
from gdbstub.requests.threads import (
    CurrentThread,
    FirstThreads,
    MoreThreads,
    SelectThread,
    ThreadAlive,
    ThreadExtraInfo,
    ThreadsRequest,
)
from gdbstub.session.context import Context
from gdbstub.stops import ThreadId
from gdbstub.target import ThreadInfo


def answer(context: Context, request: ThreadsRequest) -> Reply:
    match request:
        case SelectThread(for_execution, thread):
            if thread.thread not in (ALL, ANY) and not context.threads_of(thread):
                return Failure(f"no thread {thread.thread:#x}")
            context.selected[for_execution] = thread
            return Ok()
        case ThreadAlive(thread):
            return Ok() if context.threads_of(thread) else Failure(f"no thread {thread.thread:#x}")
        case CurrentThread():
            return Text("QC" + context.show(current_thread(context))) if context.has_process else Empty()
        case FirstThreads():
            threads = ",".join(context.show(thread) for thread in context.threads())
            return Text("m" + threads if threads else "l")
        case MoreThreads():
            return Text("l")
        case ThreadExtraInfo(ref):
            info = describe(context, context.thread(ref))
            return Hex(", ".join(filter(None, (info.name, info.extra))).encode())
    assert_never(request)


def current_thread(context: Context) -> ThreadId:
    """The thread of the last stop, or the first one."""
    reason = context.target.execution.state()
    thread: ThreadId = getattr(reason, "thread", context.target.first_thread)
    return thread


def describe(context: Context, thread: ThreadId) -> ThreadInfo:
    port = context.target.threads
    return ThreadInfo(f"{context.target.name}") if port is None else port.describe(thread)
