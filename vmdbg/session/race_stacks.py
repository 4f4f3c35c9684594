"""Where the two sides of a race stood: their stacks, and who ran."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.errors import VmdbgError
from vmdbg.queries.races.events import Access
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.view import View
from vmdbg.timeline.steps_back import previous
from vmdbg.units import CpuId

MOST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Side:
    """`who` is the task, if a system is known; `frames` are places in code, the innermost first."""

    who: str
    frames: tuple[str, ...]


def side_of(view: View, access: Access) -> Side:
    """Seen from before the instruction that made the access."""
    debugger = view.debugger
    with elsewhen(view):
        with debugger.timeline.undisturbed():
            debugger.timeline.go(previous(debugger.timeline, access.position))
        debugger.look_at(CpuId(access.cpu))
        view.moments.stop()
        side = Side(_who(view), _frames(view, access))
    view.moments.stop()
    return side


def _who(view: View) -> str:
    task = view.system.running()
    return f"{task.name} ({task.pid})" if task is not None else ""


def _frames(view: View, access: Access) -> tuple[str, ...]:
    try:
        found = view.frames.all()[:MOST_FRAMES]
    except VmdbgError:
        found = ()
    shown = [view.describe(frame.physical.pc) + (f" {frame.position}" if frame.position else "") for frame in found]
    return tuple(words or f"{frame.physical.pc:#x}" for words, frame in zip(shown, found, strict=True)) or (
        view.describe(access.pc) or f"{access.pc:#x}",
    )
