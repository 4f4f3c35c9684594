"""Why the guest stopped, in words and with the values that changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from vmdbg.c.formatting import format_short
from vmdbg.debugger.describe import (
    describe_delivery,
    describe_device_event,
    describe_ending,
    describe_event,
    fault_chain,
)
from vmdbg.debugger.points import Breakpoint, Space, Watchpoint
from vmdbg.debugger.stops import (
    BreakpointStop,
    DeviceStop,
    Ended,
    EventStop,
    ExceptionStop,
    HistoryEnd,
    HistoryStart,
    HostFailed,
    Interrupted,
    RunFailed,
    StepDone,
    Stop,
    WatchpointStop,
)
from vmdbg.document.document import Document, Json, Style, Text, address, hexadecimal, joined, text
from vmdbg.document.printable import printable
from vmdbg.engine.exits import Access, TripleFault, WatchHit
from vmdbg.session.oops_watch import is_oops_point, oops_here
from vmdbg.session.source_frame import SourceFrame
from vmdbg.session.syscall_watch import is_syscall_point, syscall_here
from vmdbg.session.view import View

MAX_SHOWN = 16
ACCESS_WORDS = {Access.READ: "read", Access.WRITE: "written"}


def report(view: View, stop: Stop) -> Document:
    """The reason, and where the guest stands."""
    lines = tuple(_reason(view, stop))
    cpu = view.debugger.cpu.number
    on = f"CPU {cpu} at " if len(view.debugger.cpus) > 1 else "at "
    function = _function(view)
    here = joined((text(on, Style.DIM), _place(view, view.debugger.pc, function)))
    value: dict[str, Json] = {
        "stop": type(stop).__name__,
        "reason": [str(line) for line in lines],
        "pc": f"{view.debugger.pc:#x}",
        "location": view.describe(view.debugger.pc),
        "position": str(view.debugger.position),
        "tick": view.debugger.machine.clock,
        "cpu": cpu,
    }
    value |= function.value if function is not None else {}
    tick = text(f", tick {view.debugger.position}", Style.DIM)
    return Document((*lines, joined((here, tick))), value)


@dataclass(frozen=True, slots=True)
class _Function:
    """The function of the source that the CPU is in, and its arguments."""

    frame: SourceFrame
    arguments: tuple[tuple[str, str], ...]

    @property
    def value(self) -> dict[str, Json]:
        shown: Json = dict(self.arguments)
        return {"function": self.frame.function, "arguments": shown, "line": self.frame.position}

    @property
    def words(self) -> str:
        """`(form=101)`, with the name in front if the function is inlined; "" if it has no arguments."""
        frame, shown = self.frame, ", ".join(f"{name}={value}" for name, value in self.arguments)
        return f"{frame.function if frame.is_inlined else ''}({shown})" if shown or frame.is_inlined else ""


def _function(view: View) -> _Function | None:
    """None where no debug information tells of it."""
    frame = view.frames.innermost()
    if frame.scope is None:
        return None
    return _Function(frame, tuple((name, format_short(value)) for name, value in view.frames.parameters(frame)))


def function_value(view: View) -> dict[str, Json]:
    """The function of the source and its arguments, where debug information tells of them."""
    function = _function(view)
    return function.value if function is not None else {}


def headline(view: View, stop: Stop) -> str:
    """The reason in one line, for a status bar."""
    return next((str(line) for line in _reason(view, stop)), "")


def place_text(view: View, linear: int) -> Text:
    """An address with its symbol and source line; of the CPU, with the arguments of the function too."""
    return _place(view, linear, _function(view) if linear == view.debugger.pc else None)


def _place(view: View, linear: int, function: _Function | None) -> Text:
    parts: list[Text | str] = [address(linear)]
    symbol = view.describe(linear)
    if symbol:
        parts.append(text(f" <{symbol}>", Style.SYMBOL))
    if function is not None and function.words:
        parts.append(f" {function.words}")
    line = view.sources.line_at(linear)
    if line is not None:
        parts.append(text(f" {line}", Style.DIM))
    return joined(parts)


def _reason(view: View, stop: Stop) -> Iterator[Text]:
    match stop:
        case StepDone():
            return
        case BreakpointStop(breakpoints):
            for point in breakpoints:
                yield _known(view, point) or _breakpoint(view, point)
        case WatchpointStop(hits):
            for watched, hit in hits:
                yield _watch_hit(view, watched, hit)
        case ExceptionStop() | EventStop() | DeviceStop():
            yield from _caught(view, stop)
        case Interrupted():
            yield text("interrupted", Style.CURRENT)
        case Ended(outcome):
            yield text(describe_ending(outcome), Style.BAD)
            if isinstance(outcome, TripleFault):
                yield from _chain(view)
        case HistoryStart():
            yield text("the history starts here", Style.CURRENT)
        case HistoryEnd():
            yield text("the recording ends here; fork goes on from it", Style.CURRENT)
        case HostFailed(reason):
            yield text(reason, Style.BAD)
            yield text("the guest stands before that, and its history is kept: to go on is to try again", Style.CURRENT)
        case RunFailed():
            yield text(stop.words, Style.BAD)
        case _:
            assert_never(stop)


def _caught(view: View, stop: ExceptionStop | EventStop | DeviceStop) -> Iterator[Text]:
    match stop:
        case ExceptionStop(delivery):
            from vmdbg.debugger.fault_reasons import fault_reason

            yield text(f"caught {describe_delivery(delivery)}", Style.CURRENT)
            yield from _because(fault_reason(view.debugger.machine, delivery), "  ")
        case EventStop():
            yield text(f"caught {describe_event(stop)}", Style.CURRENT)
        case DeviceStop(events):
            for event in events:
                yield text(f"caught {describe_device_event(event)}", Style.CURRENT)


def _chain(view: View) -> Iterator[Text]:
    """The faults that a triple fault was made of, the first first, and why each came."""
    from vmdbg.debugger.fault_reasons import chain_words

    machine = view.debugger.machine
    for delivery, why in chain_words(machine, fault_chain(machine.engine.deliveries())):
        yield text(f"  {describe_delivery(delivery)}")
        yield from _because(why, "    ")


def _because(why: str, indent: str) -> Iterator[Text]:
    if why:
        yield text(f"{indent}{why}", Style.BAD)


def _known(view: View, point: Breakpoint) -> Text | None:
    """What a breakpoint of our own says of the guest's operating system."""
    if is_oops_point(point):
        return oops_here(view)
    return syscall_here(view) if is_syscall_point(point) else None


def _breakpoint(view: View, point: Breakpoint) -> Text:
    kind = "physical breakpoint" if point.space is Space.PHYSICAL else "breakpoint"
    owner = f" of {point.owner}" if point.owner not in ("", "prompt") else ""
    times = point.hits.up_to(view.debugger.position)
    hits = f", hit {times} times" if times > 1 else ""
    return text(f"{kind} {point.number}{owner}{hits}", Style.CURRENT)


def _watch_hit(view: View, point: Watchpoint, hit: WatchHit) -> Text:
    named = f" ({point.text})" if point.text else ""
    what = f"watchpoint {point.number}{named}: {hit.size} bytes {ACCESS_WORDS[hit.access]} at "
    where = view.describe(hit.linear)
    parts: list[Text | str] = [
        text(what, Style.CURRENT),
        address(hit.linear),
        text(f" <{where}>" if where else "", Style.SYMBOL),
    ]
    if hit.device:
        parts += [" by ", writer_text(hit)]
    if hit.access is Access.WRITE:
        parts += [": ", _value(hit.old), text(" -> ", Style.DIM), _value(hit.new)]
        if hit.new == hit.old:
            parts.append(text(" (unchanged)", Style.DIM))
    else:
        parts += [": ", _value(hit.old)]
    return joined(parts)


def writer_text(hit: WatchHit) -> Text:
    """The device that made an access, and what for."""
    request = f", {printable(hit.request)}" if hit.request else ""
    return joined((text(hit.device, Style.SYMBOL), request))


def _value(data: bytes) -> Text:
    if 0 < len(data) <= 8:
        return hexadecimal(int.from_bytes(data, "little"))
    return text(data[:MAX_SHOWN].hex(" "), Style.NUMBER)
