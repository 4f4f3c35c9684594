"""Answers to ?, resumptions, non-stop mode; and what happens when the target stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from gdbstub.errors import TargetError, UnsupportedError
from gdbstub.replies import Later, Ok, Reply, Text
from gdbstub.requests.execution import (
    ExecutionRequest,
    InterruptAll,
    NonStop,
    Resume,
    ResumeActions,
    ResumeThreads,
    ReverseContinue,
    ReverseStep,
    Stopped,
    ThreadEvents,
    WhyStopped,
)
from gdbstub.requests.parsing import ALL, ThreadRef
from gdbstub.session.console import console
from gdbstub.session.context import Actions, Context
from gdbstub.session.refusals import say_unsaid
from gdbstub.session.registers import set_pc
from gdbstub.session.stop_reply import of_whole_target, stop_reply
from gdbstub.stops import (
    Exited,
    HistoryEdge,
    NoneResumed,
    Signal,
    Signalled,
    StopReason,
    Terminated,
    ThreadEnded,
    ThreadId,
    ThreadStarted,
)
from gdbstub.target import Action, ActionKind, Continue, RangeStep, Step, Stop

_EVERYONE = ThreadRef(ALL)
_OF_THREADS_LIVES = (ThreadStarted, ThreadEnded)
_WITH_TEXT = (Signalled, HistoryEdge)
_ENDS = (Exited, Terminated)
_CLIENTS_DIFFER = (Signalled, HistoryEdge, NoneResumed)
"""What not every client takes as it is meant."""
_KINDS: Mapping[type[Action], ActionKind] = {
    Continue: ActionKind.CONTINUE,
    Step: ActionKind.STEP,
    RangeStep: ActionKind.RANGE_STEP,
    Stop: ActionKind.STOP,
}
_LETTERS = {
    ActionKind.CONTINUE: "c;C",
    ActionKind.STEP: "s;S",
    ActionKind.STOP: "t",
    ActionKind.RANGE_STEP: "r",
}


def answer(context: Context, request: ExecutionRequest) -> Reply:
    match request:
        case WhyStopped():
            return why_stopped(context)
        case ResumeThreads(actions):
            return _resume(context, _assign(context, actions), actions)
        case Resume(action, address):
            return _resume_legacy(context, action, address)
        case ResumeActions():
            offered = context.target.execution.actions
            return Text("vCont;" + ";".join(text for kind, text in _LETTERS.items() if kind in offered))
        case ReverseStep() | ReverseContinue():
            return _reverse(context, request)
        case NonStop(on):
            if on and not context.target.offers_non_stop:
                raise UnsupportedError("the target's threads stop and run together")
            context.non_stop = on
            return Ok()
        case Stopped():
            return _next_unreported(context)
        case InterruptAll():
            interrupt(context)
            return Ok()
        case ThreadEvents(on):
            context.thread_events = on
            return Ok()
    assert_never(request)


def why_stopped(context: Context) -> Reply:
    """The reason the target stands. One that runs is stopped first (all-stop) or said to run (non-stop)."""
    reason = context.target.execution.state()
    if context.non_stop:
        return _who_stands(context, reason)
    if reason is not None:
        context.exited = _is_end(reason)
        _select(context, reason)
        return Text(stop_reply(context, as_caused(context, reason)))
    context.waiting = context.asking_why = True
    _stop(context)
    return Later()


def _who_stands(context: Context, reason: StopReason | None) -> Reply:
    """Non-stop: every thread that stands, with signal 0. gdbserver does so, and gdb aborts at others: no resumption of
    its own is there for them to end.
    """
    context.unreported.clear()
    if reason is None:
        context.running = set(context.threads())
        return Ok()
    context.running.clear()
    if of_whole_target(reason):
        context.unreported.append(reason)
        context.exited = _is_end(reason)
    else:
        first = getattr(reason, "thread", context.target.first_thread)
        others = [thread for thread in context.threads() if thread != first]
        context.unreported.extend(Signalled(Signal.NONE, thread) for thread in (first, *others))
    return Text(stop_reply(context, context.unreported[0]))


def _is_end(reason: StopReason) -> bool:
    """Whether the process is gone with it."""
    return isinstance(reason, _ENDS)


def as_caused(context: Context, reason: StopReason) -> StopReason:
    """A stop by SIGINT that this client has not asked for, such as the one of its attaching, is no signal to it.

    LLDB shows nothing of a stop without a reason.
    """
    if not isinstance(reason, Signalled) or reason.signal != Signal.SIGINT or context.interrupting:
        return reason
    if context.lldb:
        return replace(reason, signal=Signal.SIGTRAP, text="stopped to be attached to")
    return replace(reason, signal=Signal.NONE)


def interrupt(context: Context) -> None:
    """The client wants the target to stop."""
    context.interrupting = True
    _stop(context)


def _stop(context: Context) -> None:
    if context.target.interrupt is not None:
        context.target.interrupt.interrupt()


def _starting(context: Context, actions: Actions = ()) -> None:
    """The client lets the target run: what it wanted before is over."""
    context.interrupting = context.asking_why = False
    context.resumed = actions
    context.trace.selected = None


def _assign(context: Context, actions: Actions) -> dict[ThreadId, Action]:
    """The leftmost action that names a thread is the thread's; one without is for all that are left.

    Without non-stop mode a thread that is to stop is one that is not let run.
    """
    assigned: dict[ThreadId, Action] = {}
    offered, stops = context.target.execution.actions, False
    for action, ref in actions:
        _refuse_unknown(offered, action)
        stops = stops or isinstance(action, Stop)
        for thread in context.threads_of(ref or _EVERYONE):
            assigned.setdefault(thread, action)
    if stops and not context.non_stop:
        return {thread: action for thread, action in assigned.items() if not isinstance(action, Stop)}
    return assigned


def _steps_alone(actions: Actions) -> bool:
    """Whether one thread steps while all others are held: so gdb gets over a breakpoint that it has taken away."""
    return len(actions) == 1 and isinstance(actions[0][0], Step) and actions[0][1] is not None


def _refuse_unknown(offered: frozenset[ActionKind], action: Action) -> None:
    kind = _KINDS[type(action)]
    if kind not in offered:
        raise TargetError(f"the target cannot {kind.name.lower().replace('_', '-')}")


def _resume_legacy(context: Context, action: Continue | Step, address: int | None) -> Reply:
    """c, s, C, S: a step is for the thread of Hc, a continue for all of Hc's threads."""
    _refuse_unknown(context.target.execution.actions, action)
    thread = context.thread(for_execution=True)
    if address is not None:
        set_pc(context, thread, address)
    if isinstance(action, Step):
        return _resume(context, {thread: action})
    chosen = context.selected.get(True, ThreadRef(ALL))
    threads = context.threads_of(ThreadRef(ALL) if chosen.thread <= 0 else chosen)
    return _resume(context, dict.fromkeys(threads, action))


def _resume(context: Context, assigned: dict[ThreadId, Action], actions: Actions = ()) -> Reply:
    _starting(context, actions)
    if context.non_stop:
        context.running.update(thread for thread, action in assigned.items() if not isinstance(action, Stop))
        context.target.execution.resume(assigned)
        return Ok()
    if not assigned:
        return Text(stop_reply(context, NoneResumed()))
    context.waiting = True
    try:
        context.target.execution.resume(assigned)
    except TargetError:
        context.waiting = False
        raise
    return Later()


def _reverse(context: Context, request: ReverseStep | ReverseContinue) -> Reply:
    reverse = context.target.reverse
    if reverse is None:
        raise UnsupportedError("the target cannot run backwards")
    _starting(context)
    thread = context.thread(for_execution=True)
    go = reverse.reverse_step if isinstance(request, ReverseStep) else reverse.reverse_continue
    if context.non_stop:
        context.running.update(context.threads())
        go(thread)
        return Ok()
    context.waiting = True
    try:
        go(thread)
    except TargetError:
        context.waiting = False
        raise
    return Later()


def _next_unreported(context: Context) -> Reply:
    """vStopped: the head of the queue was seen; tell the next or OK."""
    if context.unreported:
        context.unreported.popleft()
    return Text(stop_reply(context, context.unreported[0])) if context.unreported else Ok()


def on_stop(context: Context, reason: StopReason) -> None:
    """The target stopped, for whatever cause. Tells the client if it waits for that."""
    if not context.thread_events and isinstance(reason, _OF_THREADS_LIVES):
        return
    if isinstance(reason, _CLIENTS_DIFFER):
        reason = _as_taken(context, reason)
    if context.non_stop:
        _notify(context, reason)
    elif context.waiting:
        if context.unsaid:
            say_unsaid(context)
        if isinstance(reason, _WITH_TEXT) and reason.text and not context.lldb:
            console(context, reason.text.rstrip("\n") + "\n")  # gdb has no field for it, LLDB the description
        context.waiting = context.asking_why = False
        _select(context, reason)
        context.framing.send(stop_reply(context, reason).encode())
        context.exited = _is_end(reason)


def _as_taken(context: Context, reason: Signalled | HistoryEdge | NoneResumed) -> StopReason:
    """The stop in terms of which this client makes what is meant."""
    taken: StopReason = reason
    if isinstance(taken, NoneResumed) and "no-resumed+" not in context.features:
        taken = Signalled(Signal.NONE)
    if context.asking_why:
        taken = as_caused(context, taken)
    if isinstance(taken, HistoryEdge) and _steps_alone(context.resumed) and not context.lldb:
        # gdb would believe for ever that it is still getting over its breakpoint, and wait at the next command
        taken = Signalled(Signal.NONE, taken.thread, taken.text)
    if context.lldb and isinstance(taken, Signalled) and taken.signal == Signal.NONE:
        taken = replace(taken, signal=Signal.SIGTRAP)  # it shows nothing of a stop without a reason
    return taken


def _select(context: Context, reason: StopReason) -> None:
    """Clients take it that what they ask after a stop is of the thread that has stopped, unless they say another."""
    thread: ThreadId | None = getattr(reason, "thread", None)
    known = context.selected.get(False)
    if thread is not None and (known is None or known.thread != thread or known.process is not None):
        context.selected[False] = ThreadRef(thread)


def _notify(context: Context, reason: StopReason) -> None:
    thread = getattr(reason, "thread", None)
    if thread is None:
        context.running.clear()
        context.exited = _is_end(reason)
    elif thread in context.running:
        context.running.discard(thread)
    elif not isinstance(reason, ThreadStarted | ThreadEnded):
        return
    context.unreported.append(reason)
    if len(context.unreported) == 1:
        context.notifications.append(b"Stop:" + stop_reply(context, reason).encode())
