"""The session: one client's bytes in, calls on the target's ports, bytes out. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, assert_never, get_args

from gdbstub.errors import TargetError, UnsupportedError
from gdbstub.framing import CtrlC, Event, Framing, Oversize, Packet
from gdbstub.replies import Empty, ErrorStyle, Failure, Reply, Text, encode
from gdbstub.requests import Malformed, Request, Unknown, parse
from gdbstub.requests.breakpoints import BreakpointsRequest
from gdbstub.requests.execution import (
    ExecutionRequest,
    InterruptAll,
    Resume,
    ResumeThreads,
    ReverseContinue,
    ReverseStep,
    WhyStopped,
)
from gdbstub.requests.general import Detach, GeneralRequest, Kill
from gdbstub.requests.lldb import LldbRequest
from gdbstub.requests.memory import MemoryRequest
from gdbstub.requests.qemu import QemuRequest
from gdbstub.requests.registers import RegistersRequest, WriteRegister
from gdbstub.requests.threads import ThreadsRequest
from gdbstub.requests.tracing import EnableTracepoint, StartTrace, TracingRequest
from gdbstub.requests.transfer import TransferRequest
from gdbstub.session import (
    breakpoints,
    console,
    execution,
    general,
    lldb,
    memory,
    qemu,
    refusals,
    registers,
    threads,
    tracing,
    transfer,
)
from gdbstub.session.context import Context
from gdbstub.stops import StopReason
from gdbstub.target import Target

MAX_UNSENT = 1 << 20
"""Bytes of unsent replies above which requests are left unanswered: few bytes can ask for many."""

MAX_DEFERRED = 1 << 20
"""Bytes of requests kept for after the stop that a client waits for; one that sends more is let go."""

TURN_SECONDS = 0.02
"""How long requests are answered before whoever drives the session gets to look after other things. One request can
take longer: see Context.check.
"""

Answer = Callable[[Context, Any], Reply]
"""Each takes the requests of its own union: `Any` is one of those, by which _ANSWERS finds it."""
_FEATURES: tuple[tuple[object, Answer], ...] = (
    (MemoryRequest, memory.answer),
    (RegistersRequest, registers.answer),
    (ExecutionRequest, execution.answer),
    (BreakpointsRequest, breakpoints.answer),
    (ThreadsRequest, threads.answer),
    (TracingRequest, tracing.answer),
    (TransferRequest, transfer.answer),
    (GeneralRequest, general.answer),
    (QemuRequest, qemu.answer),
    (LldbRequest, lldb.answer),
    (Unknown | Malformed, general.answer_not_understood),
)
_NEEDS_PROCESS = (
    *get_args(MemoryRequest | RegistersRequest | BreakpointsRequest),
    *(WhyStopped, Resume, ResumeThreads, ReverseStep, ReverseContinue, InterruptAll),
    *(StartTrace, EnableTracepoint),
)
_AT_ONCE = (Kill, Detach, InterruptAll)
"""What is answered while the client waits for a stop."""
_ANSWERS: Mapping[type[Request], Answer] = {
    request: answer for union, answer in _FEATURES for request in get_args(union)
}


class Session:
    """One attached client.

    Feed it with `receive`, send what `take_output` gives, tell it of every stop with `stopped`. `ended` says
    that the connection is to be closed.
    """

    def __init__(
        self,
        target: Target,
        check: Callable[[], None] = lambda: None,
        log: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """`check` is called in the course of long requests; it may raise ClientGoneError.

        `log` takes lines for the user of this process.
        """
        self._framing = Framing()
        self._context = Context(target, self._framing, check, log)
        self._deferred: deque[Request] = deque()
        self._deferred_bytes = 0
        self._answering = False
        self._stalled = self._turn_over = False
        if target.lifecycle is not None:
            target.lifecycle.attached()

    @property
    def ended(self) -> bool:
        return self._context.ended

    @property
    def attached(self) -> bool:
        """Whether the client holds the target: it has neither let it go nor killed it."""
        return self._context.attached

    @property
    def extended(self) -> bool:
        """Whether the client stays when the target has ended, to start it again (extended-remote)."""
        return self._context.extended

    @property
    def waiting(self) -> bool:
        """Whether the client has resumed the target and waits for it to stop."""
        return self._context.waiting or bool(self._context.running)

    @property
    def thread_events(self) -> bool:
        """Whether the client wants ThreadStarted and ThreadEnded."""
        return self._context.thread_events

    @property
    def stalled(self) -> bool:
        """Whether requests were left unanswered for too much output: take it, then call `receive(b"")`."""
        return self._stalled

    @property
    def pending(self) -> bool:
        """Whether requests were left unanswered, for too much output or for having taken TURN_SECONDS.

        Whoever has other things to do does them, then calls `receive(b"")`.
        """
        return self._stalled or self._turn_over

    @property
    def backlog(self) -> int:
        """Bytes of requests that were not looked at."""
        return self._framing.unread

    @property
    def settled(self) -> bool:
        """Whether nothing is to be done before the client says more: requests were not left, and the session goes on.

        No more of them are unread then than the beginning of one.
        """
        return not (self._turn_over or self._stalled or self._context.ended)

    def take_output(self) -> bytes:
        return self._framing.take_output()

    def receive(self, data: bytes) -> None:
        """Take bytes from the client and answer what is complete."""
        self._framing.receive(data)
        self._drain()

    def stopped(self, reason: StopReason) -> None:
        """The target stopped, whether or not this client caused it."""
        execution.on_stop(self._context, reason)
        if not self._answering:
            self._flush_notifications()
            if self._deferred or self._framing.unread:
                self._drain()

    def console(self, text: str) -> None:
        """Show `text` to the client's user, if the protocol lets us speak now (the target runs for the
        client).
        """
        if self._context.waiting and not self._context.non_stop:
            console.console(self._context, text)

    def closed(self) -> None:
        """The connection is gone. What the client set is taken back."""
        general.leave(self._context, kindly=False)
        self._context.ended = True

    def _drain(self) -> None:
        """Answer requests put off until the stop first, then new ones, as far as one turn goes."""
        self._stalled = self._turn_over = False
        until = monotonic() + TURN_SECONDS
        while not self._context.ended:
            if self._framing.pending_output > MAX_UNSENT:
                self._stalled = True
                return
            if not self._answer_next() or not (self._deferred or self._framing.unread):
                return
            if monotonic() > until:
                self._turn_over = bool(self._framing.unread) or not self._busy()
                return

    def _answer_next(self) -> bool:
        """Whether there was a request that can be answered now, or put off."""
        if self._deferred and not self._busy():
            request = self._deferred.popleft()
            self._deferred_bytes = 0 if not self._deferred else self._deferred_bytes
            self._answer(request)
            return True
        event = self._framing.next_event()
        if event is not None:
            self._handle(event)
        return event is not None

    def _handle(self, event: Event) -> None:
        match event:
            case Packet():
                request = parse(event.payload)
                if self._deferred or (self._busy() and not isinstance(request, _AT_ONCE)):
                    self._defer(request, len(event.payload))
                else:
                    self._answer(request)
            case CtrlC():
                self._interrupt()
            case Oversize():
                failure = Failure(f"packet longer than {self._framing.packet_size:#x} bytes")
                self._send(failure, self._context.error_style)
            case _:
                assert_never(event)

    def _busy(self) -> bool:
        """All-stop: nothing is answered between a resumption and its stop reply."""
        return self._context.waiting and not self._context.non_stop

    def _interrupt(self) -> None:
        if self.waiting:
            execution.interrupt(self._context)

    def _defer(self, request: Request, size: int) -> None:
        self._deferred.append(request)
        self._deferred_bytes += size + 64
        if self._deferred_bytes > MAX_DEFERRED:
            self._context.ended = True

    def _answer(self, request: Request) -> None:
        context = self._context
        self._answering = True
        try:
            reply = self._reply(context, request)
            style = context.error_style
            if isinstance(reply, Failure):
                refusals.remember(context, request, reply)
                style = refusals.style_for(context, request)
            self._send(reply, style)
        finally:
            self._answering = False
        if context.notifications:
            self._flush_notifications()

    def _reply(self, context: Context, request: Request) -> Reply:
        if not context.has_process and isinstance(request, _NEEDS_PROCESS):
            if not isinstance(request, WhyStopped):
                return Failure(f"no process: {'it has ended' if context.exited else 'detached or killed'}")
            if not context.exited:
                return Text("W00")
        if not isinstance(request, WriteRegister):
            context.last_written = None
        try:
            return _ANSWERS[type(request)](context, request)
        except UnsupportedError:
            return Empty()
        except TargetError as error:
            return Failure(str(error), error.errno)

    def _send(self, reply: Reply, style: ErrorStyle) -> None:
        payload = encode(reply, style)
        if payload is not None:
            self._framing.send(payload)

    def _flush_notifications(self) -> None:
        for notification in self._context.notifications:
            self._framing.notify(notification)
        self._context.notifications.clear()
