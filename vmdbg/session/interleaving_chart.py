"""An interleaving with the names that the guest's code and data have: what is shown of it."""

from __future__ import annotations

from typing import assert_never

from vmdbg.document.lanes import Chart, Entry, Mark, Tie
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Lock, Post, Release, Renew, Switch
from vmdbg.queries.races.interleaving import Interleaving, Step
from vmdbg.queries.races.linux_rules import SWITCHES
from vmdbg.session.interrupt_names import InterruptNames, interrupt_names
from vmdbg.session.lock_names import lock_name
from vmdbg.session.questions import USER_HALF
from vmdbg.session.view import View

_WORD = 8
_DECIMAL = 1_000_000
_MARKS = {Acquire: Mark.LOCK, Release: Mark.LOCK, Switch: Mark.SWITCH, Post: Mark.MESSAGE, Renew: Mark.WRITE}


def interleaving_chart(view: View, found: Interleaving) -> Chart:
    """As the guest's names are where it stands."""
    names, words = found.cpus, _Words(view)
    lanes = {cpu: lane for lane, cpu in enumerate(names)}
    entries = tuple(words.entry(step, lanes[step.event.cpu]) for step in found.steps)
    ties = tuple(Tie(link.first, link.second, link.bond.value) for link in found.links)
    return Chart(tuple(f"CPU {cpu}" for cpu in names), entries, ties, tuple(_notes(found)))


def _notes(found: Interleaving) -> list[str]:
    shown = sum(isinstance(step.event, Access) for step in found.steps)
    folded = found.shared - shown
    notes = [f"{found.accesses:,} accesses, {found.shared:,} to bytes that several CPUs touch and one writes"]
    if folded:
        notes.append(f"folded: {folded:,} of these, which no other CPU could tell from none")
    if found.left_out:
        notes.append(f"not shown: {found.left_out:,} interrupts, messages and switches at the end")
    if found.families:
        notes.append(f"of Linux: {', '.join(found.families)}")
    return [*notes, *(f"not looked at: {words}" for words in found.missing)]


class _Words:
    def __init__(self, view: View) -> None:
        self._view = view
        self._interrupts = InterruptNames(interrupt_names(view), view.describe)
        self._has_system = view.system.find() is not None

    def entry(self, step: Step, lane: int) -> Entry:
        event = step.event
        pc = event.pc if isinstance(event, Access) else None
        before = [f"{step.folded:,} more at shared bytes"] if step.folded else []
        before += [f"{step.left_out:,} interrupts, messages, switches"] if step.left_out else []
        where = self._code(pc) if pc is not None else self._by(event)
        return Entry(lane, str(event.position), self._what(step), where, _mark(event), ", ".join(before))

    def _what(self, step: Step) -> str:
        event = step.event
        match event:
            case Access():
                return self._access(event)
            case Acquire():
                return f"takes {self._lock(event.lock)}{' (shared)' if event.shared else ''}"
            case Release():
                return f"gives back {self._lock(event.lock)}"
            case Switch():
                return f"runs {event.name}" if event.name else "switches tasks"
            case Post():
                return self._post(event, step.receivers)
            case Await():
                return self._await(event)
            case Renew():
                return f"{event.size} bytes at {event.address:#x} are new"
            case _:
                assert_never(event)

    def _lock(self, lock: Lock) -> str:
        """Of what is a lock by how it is used alone it is said that it is a word."""
        name = lock_name(self._view, lock)
        return f"the word {name}" if isinstance(lock, tuple) and lock[0] == "word" else name

    def _access(self, access: Access) -> str:
        name = self._data(access.linear)
        old, new = _value(access.old), _value(access.new)
        locked = " (locked)" if access.locked else ""
        if not access.writes:
            return f"reads {name} = {old}{locked}"
        return f"{'changes' if access.reads else 'writes'} {name} {old} -> {new}{locked}"

    def _post(self, event: Post, receivers: tuple[int, ...]) -> str:
        match event.channel:
            case ("interrupt", _, int(vector)):
                return f"sends {self._interrupt(vector)} to CPU {', '.join(map(str, receivers))}"
            case ("start", int(cpu)):
                return f"starts CPU {cpu}"
            case ("task", int(subject)):
                if event.by == SWITCHES:
                    return "leaves its task to another CPU"
                return f"wakes {event.whom}" if event.whom else f"{event.by}() {self._data(subject)}"
        return "tells another CPU"

    def _await(self, event: Await) -> str:
        match event.channel:
            case ("interrupt", _, int(vector)):
                runs = self._interrupts.runs(event.called)
                return f"is interrupted: {self._interrupt(vector)}{f', {runs}' if runs else ''}"
            case ("start", _):
                return "is started"
            case ("task", int(subject)):
                if event.by == SWITCHES:
                    return "goes on with a task of another CPU"
                return f"{event.by}() {self._data(subject)}"
        return "was told by another CPU"

    def _interrupt(self, vector: int) -> str:
        name = self._interrupts.name(vector)
        return f"{name} ({vector:#x})" if name else f"interrupt {vector:#x}"

    def _data(self, linear: int) -> str:
        """A name of user space is one process's."""
        if self._has_system and linear < USER_HALF:
            return f"{linear:#x}"
        return self._view.describe(linear) or f"{linear:#x}"

    def _code(self, pc: int) -> str:
        if self._has_system and pc < USER_HALF:
            return f"{pc:#x}"
        line = self._view.sources.line_at(pc)
        named = self._view.describe(pc) or f"{pc:#x}"
        return f"{named} {line}" if line is not None else named

    def _by(self, event: Event) -> str:
        match event:
            case Acquire(by=by) | Release(by=by) | Post(by=by) if by != SWITCHES:
                return by
        return ""


def _value(data: bytes) -> str:
    if not 0 < len(data) <= _WORD:
        return data.hex()[: 2 * _WORD] or "?"
    value = int.from_bytes(data, "little")
    return str(value) if value < _DECIMAL else f"{value:#x}"


def _mark(event: Event) -> Mark:
    match event:
        case Access():
            return Mark.WRITE if event.writes else Mark.READ
        case Await(channel=("interrupt", _, _)):
            return Mark.INTERRUPT
        case Await():
            return Mark.MESSAGE
    return _MARKS[type(event)]
