"""Where the guest is, as a page's bar has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmdbg.debugger.cpu import Cpu
from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session
from vmdbg.session.stop_report import headline, place_text
from vmdbg.units import TICKS_PER_SECOND
from vmdbg.web.answers import State

NOBODY = "nobody"
MOST_BOOKMARKS = 500


def state_of(session: Session, present: Sequence[str]) -> State:
    """While it runs, what can be said without looking at it."""
    debugger = session.debugger
    timeline, running = debugger.timeline, debugger.running
    position = timeline.position
    return State(
        running=running,
        live=timeline.live,
        closed=timeline.closed,
        position=str(position),
        tick=position.tick,
        start=timeline.start.tick,
        end=max(timeline.end.tick, position.tick),
        seconds=position.tick / TICKS_PER_SECOND,
        stop=f"{debugger.stop_count}.{debugger.epoch[0]}",
        cpu=debugger.engine.selected,
        cpus=[_cpu_words(cpu) for cpu in debugger.cpus] if not running else [str(c.number) for c in debugger.cpus],
        mode="" if running else f"{session.registers.mode.value}, ring {session.registers.cpl}",
        task="" if running else _task(session),
        place="" if running else _told(lambda: str(place_text(session, debugger.pc))),
        reason="" if running else _told(lambda: headline(session, debugger.last_stop)),
        moved_by=debugger.run_by or NOBODY,
        present=list(present),
        bookmarks=[(name, int(mark.tick)) for name, mark in sorted(timeline.bookmarks.items())][:MOST_BOOKMARKS],
        title=timeline.origin.description if timeline.origin is not None else "",
        ticks_per_second=TICKS_PER_SECOND,
    )


def _cpu_words(cpu: Cpu) -> str:
    state = "not started" if cpu.waits_for_sipi else "halted" if cpu.halted else ""
    return f"{cpu.number} ({state})" if state else str(cpu.number)


def _task(session: Session) -> str:
    try:
        task = session.system.running()
    except VmdbgError:
        return ""
    return printable(f"{task.name} ({task.pid})") if task is not None else ""


def _told(words: Callable[[], str]) -> str:
    try:
        return printable(words())
    except VmdbgError:
        return ""
