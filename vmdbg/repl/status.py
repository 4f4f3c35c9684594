"""The status bar: mode, ring, task, interrupts, tick, share of the history, and why the guest stopped."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from vmdbg.debugger.stops import StepDone
from vmdbg.session.positions import percent_of
from vmdbg.session.processors import state_words
from vmdbg.session.session import Session
from vmdbg.session.stop_report import headline

SEPARATOR = " │ "


def fitted(words: str, columns: int) -> str:
    """As much of a bar as a terminal so wide has room for; what is cut says so."""
    return words if cell_len(words) <= columns else set_cell_size(words, max(columns - 1, 0)) + "…"


class StatusBar:
    """One line, made anew when the guest has moved."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: tuple[object, str] = (None, "")

    def __call__(self) -> str:
        debugger = self._session.debugger
        if debugger.running:
            is_own = debugger.run_by == self._session.owner
            words = "Ctrl-C stops" if is_own else "another front end let the guest go"
            return f" running{SEPARATOR}tick {debugger.machine.clock:,}{SEPARATOR}{words} "
        key = (self._session.moments.generation, debugger.cpu.number, debugger.machine.clock, debugger.timeline.end)
        if key != self._known[0]:
            self._known = (key, self._make())
        return self._known[1]

    def _make(self) -> str:
        session = self._session
        debugger, registers = session.debugger, session.registers
        flags = registers.read("rflags")
        cpus = debugger.cpus
        parts = [f"CPU {debugger.cpu.number}/{len(cpus)}"] if len(cpus) > 1 else []
        parts += [f"{registers.mode.width}-bit", f"ring {registers.cpl}", "IF" if flags & 0x200 else "if"]
        if len(cpus) > 1 and not debugger.cpu.has_turn:
            parts.append(state_words(debugger.cpu))
        task = session.system.task()
        if task is not None:
            parts.append(f"{task.name}/{task.pid}")
        position = debugger.position
        share = "live" if debugger.timeline.live else f"{percent_of(session, position):.1f}%"
        phase = f"+{position.phase}" if position.phase else ""
        parts.append(f"tick {position.tick:,}{phase} ({share})")
        stop = debugger.last_stop
        if not isinstance(stop, StepDone):
            parts.append(headline(session, stop))
        return f" {SEPARATOR.join(parts)} "
