"""query races: accesses by different CPUs that nothing orders and no lock keeps apart."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.time.race_places import data_place, function_code, time_between
from vmdbg.document.document import Document, Json, Style, Text, document, joined, text
from vmdbg.errors import UserError
from vmdbg.queries.queries import Queries
from vmdbg.queries.races.analysis import Race
from vmdbg.queries.races.events import Access
from vmdbg.queries.races.gathering import MOST_OF_A_PLACE, Wanted
from vmdbg.queries.races.locksets import Held
from vmdbg.queries.races.report import RaceReport
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.lock_names import lock_name
from vmdbg.session.race_stacks import Side, side_of
from vmdbg.session.registry import Arguments
from vmdbg.session.session import Session

_INDENT = "   "


def races(session: Session, queries: Queries, arguments: Arguments, shown: int) -> Document:
    wanted = _wanted(session, arguments)
    if session.debugger.machine.config.cpus == 1:
        return document(text("no race: races are between CPUs, and this guest has one", Style.DIM), value={"races": []})
    with elsewhen(session):
        report = queries.races(wanted)
    lines = [text(_summary(report))]
    sides = []
    with elsewhen(session, session.debugger.timeline.end):
        for number, race in enumerate(report.races[:shown], 1):
            pair = side_of(session, race.first), side_of(session, race.second)
            sides.append(pair)
            lines += [text(""), *_race(session, number, race, pair)]
        if len(report.races) > shown:
            lines.append(text(f"{len(report.races) - shown:,} more; --limit shows more", Style.DIM))
        lines += [text(""), *_grounds(report)]
        value = _value(session, report, sides)
    return document(*lines, value=value)


def _wanted(session: Session, arguments: Arguments) -> Wanted:
    words: list[str] = arguments.what
    if len(words) > 2 or (words and arguments.address):
        raise UserError("query races takes an address, and perhaps how many bytes, or --address ADDRESS, or --function")
    address = arguments.address or (words[0] if words else "")
    if address and arguments.function:
        raise UserError("query races takes --address or --function, not both")
    places = (data_place(session, address, words[1] if len(words) > 1 else ""),) if address else ()
    instructions, function = function_code(session, arguments.function) if arguments.function else ((), None)
    between = time_between(session, arguments.begin, arguments.until)
    in_step = tuple(data_place(session, word, "") for word in arguments.sync)
    return Wanted(places, instructions, function, between, in_step, arguments.mixed)


def _summary(report: RaceReport) -> str:
    number = len(report.races)
    found = {0: "no race", 1: "one race"}.get(number, f"{number:,} races")
    return f"{found} among {report.accesses:,} accesses"


def _race(session: Session, number: int, race: Race, sides: tuple[Side, Side]) -> list[Text]:
    accesses = race.first, race.second
    start = max(access.linear for access in accesses)
    named = session.describe(start)
    times = "once" if race.times == 1 else f"{race.times:,} times"
    size = min(access.linear + access.size for access in accesses) - start
    title = joined(
        (
            text(f"{number}. ", Style.NUMBER),
            text(f"{named} ({start:#x})" if named else f"{start:#x}", Style.SYMBOL),
            f", {size} byte{'s' if size > 1 else ''}, {times}: no lock in common, {_order_words(race)}",
        )
    )
    lines = [title]
    for access, locks, side in zip(accesses, (race.first_locks, race.second_locks), sides, strict=True):
        who = f"  {side.who}" if side.who else ""
        held = f"  with {', '.join(_locks(session, locks))}" if locks else "  without a lock"
        head = (f"{_INDENT}CPU {access.cpu} {_deed(access)} before ", text(str(access.position), Style.DIM), who, held)
        lines += [joined(head), *(text(f"{_INDENT * 2}{frame}", Style.SYMBOL) for frame in side.frames)]
    return lines


def _order_words(race: Race) -> str:
    if race.unordered:
        return "and nothing orders the two"
    return "and what orders the two here is who had other locks first, which may be otherwise"


def _deed(access: Access) -> str:
    done = {(True, False): "reads", (False, True): "writes"}.get((access.reads, access.writes), "reads and writes")
    return f"{done} (locked)" if access.locked else done


def _locks(session: Session, locks: Held) -> list[str]:
    return sorted(lock_name(session, lock) + (" (shared)" if shared else "") for lock, shared in locks)


def _grounds(report: RaceReport) -> list[Text]:
    """What orders accesses or keeps them apart, and what was not looked at."""
    counted = [f"{many:,} {what}" for what, many in report.order if many]
    lines = [f"looked at: {', '.join(counted)}" if counted else "nothing was seen that orders accesses"]
    if report.between is not None:
        first, last = report.between
        lines.append(f"from {first} to {last}, about when the function runs; --from and --to have more")
    if report.families:
        lines.append(f"of Linux: {', '.join(report.families)}")
    lines += [f"not looked at: {words}" for words in report.missing]
    lines += [
        f"not looked at: {size} bytes at {at:#x}, accessed more than {MOST_OF_A_PLACE:,} times; --address has them"
        for at, size in report.busy
    ]
    if report.mixed:
        lines.append(f"left out: {report.mixed:,} pairs at words that locked accesses touch too; --mixed shows them")
    return [text(line, Style.DIM) for line in lines]


def _value(session: Session, report: RaceReport, sides: Sequence[tuple[Side, Side]]) -> Json:
    stacks = [*sides, *[(None, None)] * (len(report.races) - len(sides))]
    return {
        "races": [
            {
                "address": f"{max(race.first.linear, race.second.linear):#x}",
                "name": session.describe(max(race.first.linear, race.second.linear)),
                "times": race.times,
                "unordered": race.unordered,
                "first": _side_value(session, race.first, race.first_locks, pair[0]),
                "second": _side_value(session, race.second, race.second_locks, pair[1]),
            }
            for race, pair in zip(report.races, stacks, strict=True)
        ],
        "accesses": report.accesses,
        "order": dict(report.order),
        "families": list(report.families),
        "missing": list(report.missing),
        "left_out": report.mixed,
        "busy": [f"{address:#x}" for address, _ in report.busy],
        "between": [str(one) for one in report.between] if report.between is not None else None,
    }


def _side_value(session: Session, access: Access, locks: Held, side: Side | None) -> Json:
    return {
        "cpu": access.cpu,
        "position": str(access.position),
        "pc": f"{access.pc:#x}",
        "where": session.describe(access.pc),
        "reads": access.reads,
        "writes": access.writes,
        "locked": access.locked,
        "locks": list(_locks(session, locks)),
        "task": side.who if side is not None else None,
        "stack": list(side.frames) if side is not None else None,
    }
