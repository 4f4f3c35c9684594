"""schedule, reschedule, write-schedule."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document, pairs, text
from vmdbg.errors import UserError
from vmdbg.machine.inputs import ScheduleChange
from vmdbg.machine.schedule import LISTED
from vmdbg.machine.schedule_list import file_text
from vmdbg.session.new_files import written_new
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.schedule_files import FROM_FILE, schedule_text
from vmdbg.session.session import Session
from vmdbg.timeline.turns import turns_so_far

LONGEST = 60


@command("schedule", Group.CPU, examples=("schedule", "schedule --json"))
def schedule(session: Session, arguments: Arguments) -> Document:
    """Show by which schedule the CPUs have their turns, and whose it is. `reschedule` has another from here on."""
    return _shown(session)


def declare(parser: Parser) -> None:
    what = "round-robin, random:SEED, pct:SEED, only:CPU or file:FILE, as vmdbg run --schedule has it"
    parser.add_argument("schedule", metavar="SCHEDULE", help=what)
    parser.add_argument("--fork", action="store_true", help="in the past: drop what came after, and go on by it")


@command(
    "reschedule",
    Group.CPU,
    declare,
    examples=("reschedule random:7", "reschedule only:1 --fork"),
    effect=Effect.CHANGES,
)
def reschedule(session: Session, arguments: Arguments) -> Document:
    """Have the CPUs' turns by another schedule from here on: the turn that goes on ends.

    It is part of the history, as a register that is written is: one can go back before it. In the past the schedule is
    what it was; with --fork another future begins. `reschedule only:1` has one CPU run while the others stand.
    """
    timeline = session.debugger.timeline
    if arguments.schedule.startswith(FROM_FILE) and Effect.HOST not in session.allowed:
        raise UserError("files of the host are not read here: write what the file says as turns:CPU*TICKS ...")
    change = ScheduleChange(schedule_text(arguments.schedule))
    timeline.machine.must_take(change)
    if arguments.fork:
        timeline.fork()
    timeline.push(change)
    return _shown(session)


def _shown(session: Session) -> Document:
    turns, engine = session.debugger.machine.cpus.turns, session.debugger.engine
    if not turns.several:
        return document(text("one CPU, whose turn it always is"), value=None)
    name = str(turns.schedule)
    listed = f"{LISTED}: {name.count('*')} turns" if name.startswith(LISTED) else name[:LONGEST]
    whose = "nobody's: all sleep" if turns.current is None else f"CPU {turns.current}"
    rows = [
        ("schedule", text(listed, value=name)),
        ("since", text("an input changed it" if turns.changed else "power-on")),
        ("turn", text(whose, value=turns.current)),
    ]
    if turns.current is not None:
        ends = "instruction's end" if engine.turn.exact else "jump"
        rows.append(("until", text(f"the first {ends} at or after tick {engine.turn.end}", value=engine.turn.end)))
    return document(pairs(rows))


def declare_write(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file; none is ever overwritten")


@command(
    "write-schedule",
    Group.CPU,
    declare_write,
    examples=("write-schedule failing.turns",),
    effect=Effect.FILES,
)
def write_schedule(session: Session, arguments: Arguments) -> Document:
    """Write the turns from power-on to here, a CPU and ticks a line, for `--schedule file:FILE` to have them again."""
    turns = turns_so_far(session.debugger.timeline, session.progress or (lambda _done: None))
    written = file_text(turns)
    path = session.files.place(arguments.file, len(written))
    with written_new(path) as file:
        file.write(written.encode("ascii"))
    return document(f"{path}: {len(turns):,} turns, up to tick {session.debugger.position}")
