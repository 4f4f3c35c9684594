"""Where another future of a lab begins: what had happened to all its machines before an instant, put together again.

All machines go to that instant in their own histories. What is on its way between them then is in no machine: it is
what the machines have put on links shortly before, sent once more. What is so old that it has come is only counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devices.network.inputs import LinkInput
from devices.network.net import cable_name
from vmdbg.errors import RecordingError
from vmdbg.lab.actions import Boot, Crash, Cut, Lose, Mend, Plug, Type, link_state, parse_action
from vmdbg.lab.conductor import Conductor, Member
from vmdbg.lab.fabric import Hop
from vmdbg.lab.folder import HEAD, Deed, Life, Pushed
from vmdbg.lab.plan import End, Happening, Instant, Plan
from vmdbg.lab.station import Sent
from vmdbg.machine.console import COM1, typed
from vmdbg.machine.inputs import Input

MARGIN = 1_000
"""Nanoseconds, more than any instruction takes."""
Row = Life | Deed | Pushed


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a machine is, for a lab to go on from there.

    `passed`: what was due up to then has come to it. `sent`: all that it has sent after the instant that was asked for.
    `console`: what it has said until then.
    """

    clock: Instant
    passed: Instant
    over: bool
    sent: tuple[Sent, ...]
    console: bytes = b""


@dataclass(frozen=True, slots=True)
class Past:
    """Before `at`. `base`: all that was put on a link up to then had come by `at`.

    `hops` by their instants; the bytes of those that machines sent after `base` are whole, but for those of machines
    that are on, which have them. `pushed`: what the rows of that kind stand for. `folder`: of the recording, if any.
    """

    at: Instant
    base: Instant
    rows: tuple[Row, ...]
    hops: tuple[Hop, ...]
    pushed: Mapping[Pushed, Input] = field(default_factory=dict)
    folder: Path | None = None


def rows_before(rows: Iterable[Row], at: Instant) -> tuple[Row, ...]:
    """What somebody did, or was to happen, before an instant; and who was there from the beginning."""
    found: list[Row] = []
    for row in rows:
        if (row.born if isinstance(row, Life) else row.at) < at or (isinstance(row, Life) and _is_first(row, found)):
            found.append(row)
        else:
            break
    return tuple(found)


def _is_first(life: Life, before: Sequence[Row]) -> bool:
    return not life.born and all(isinstance(row, Life) and row.machine != life.machine for row in before)


def lives_on(rows: Iterable[Row], plan: Plan) -> dict[str, Life]:
    """The machines that are on after that, in the order in which they were switched on."""
    found: dict[str, Life] = {}
    for row in rows:
        match row:
            case Life():
                found.pop(row.machine, None)
                found[row.machine] = row
            case Deed(_, line):
                action = parse_action(line, plan)
                if isinstance(action, Crash):
                    found.pop(action.machine, None)
    return found


def to_come(plan: Plan, rows: Iterable[Row]) -> list[Happening]:
    """What of the plan is still to happen."""
    due = [*plan.happenings, *(Happening(one.starts, f"boot {one.name}") for one in plan.machines if one.starts)]
    due.sort(key=lambda one: one.at)
    for row in rows:
        done = Happening(Instant(row.at), row.line) if isinstance(row, Deed) else None
        if done in due:
            due.remove(done)
    return due


def base_of(plan: Plan, at: Instant) -> Instant:
    """Nothing that was put on a link up to then is still on its way: it passes no link twice."""
    return Instant(at - sum(link.latency for link in plan.links) - MARGIN)


def take_up(
    conductor: Conductor, plan: Plan, past: Past, stands: Mapping[str, Stand], members: Mapping[str, Member]
) -> None:
    """Have a conductor that is new go on from where all machines stand. Raises RecordingError."""
    lives = lives_on(past.rows, plan)
    _redo(conductor, plan, past, stands)
    conductor.fabric.resume(past.hops, past.base)
    for name, sent in _sent_again(past, lives, stands):
        conductor.fabric.send(name, sent.port, sent.at, sent.data)
    for name, life in lives.items():
        stand = stands[name]
        conductor.rejoin(members[name], Instant(life.born), stand.clock, stand.passed, over=stand.over)
    conductor.passes(past.at)
    conductor.settle()


def _redo(conductor: Conductor, plan: Plan, past: Past, stands: Mapping[str, Stand]) -> None:
    """What somebody did, as far as it is not in the machines."""

    def push(machine: str, data: Input, at: Instant) -> None:
        if machine in stands and at > stands[machine].passed:
            conductor.push(machine, data, at)

    fabric = conductor.fabric
    for row in past.rows:
        match row:
            case Life(machine):
                fabric.switched_on(machine)
            case Pushed(at, machine):
                push(machine, past.pushed[row], Instant(at))
            case Deed(when, line):
                at = Instant(when)
                match parse_action(line, plan):
                    case Cut() | Mend() | Lose() as action:
                        fabric.change(action.link, at, link_state(action, fabric.state(action.link, at)))
                    case Plug(machine, port, up):
                        fabric.plug(End(machine, port), at, up=up)
                        push(machine, LinkInput(cable_name(port), up), at)
                    case Type(machine, text):
                        push(machine, typed(COM1, text.encode()), at)
                    case Crash() | Boot():
                        pass


def _sent_again(past: Past, lives: Mapping[str, Life], stands: Mapping[str, Stand]) -> list[tuple[str, Sent]]:
    """What machines have sent after `base`, which is put on links once more. Raises RecordingError."""
    found = [(name, sent) for name, stand in stands.items() for sent in stand.sent]
    known: dict[str, list[Hop]] = {}
    for hop in past.hops:
        name, _, port = hop.source.partition(".")
        if hop.sent <= past.base or not port:
            continue
        if name in lives and hop.sent >= lives[name].born:
            known.setdefault(hop.source, []).append(hop)
        else:
            found.append((name, Sent(port, hop.sent, hop.data)))
    for source, hops in known.items():
        name, _, port = source.partition(".")
        mine = [one for one in stands[name].sent if one.port == port]
        for hop, one in zip(hops, mine, strict=False):
            if (hop.sent, hop.data[:HEAD]) != (one.at, one.data[:HEAD]):
                raise RecordingError(f"{name} sends something at {one.at} of which the lab's index says something else")
    return sorted(found, key=lambda one: (one[1].at, one[0], one[1].port))
