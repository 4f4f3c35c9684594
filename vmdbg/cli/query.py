"""`vmdbg query`: questions about a whole recording."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vmdbg.cli.values import number
from vmdbg.errors import UserError
from vmdbg.host.terminal import message
from vmdbg.session.linux import find_linux
from vmdbg.timeline.mark_forms import FORMS

if TYPE_CHECKING:
    from vmdbg.api.guest import Guest
    from vmdbg.queries.queries import Queries

Answer = Callable[["Guest", "Queries", argparse.Namespace], Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "query",
        help="ask what happened in a recording",
        description="Answer a question about a whole recording, on all cores.",
        epilog=f"An ADDRESS is a number, a symbol or an expression. A POSITION is {FORMS}.",
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.set_defaults(
        json=False, csv=False, workers=None, symbols=[], left_out=[], condition="", count_by="", durations=True
    )
    _common_options(parser)
    questions = parser.add_subparsers(metavar="QUESTION", required=True, dest="question", parser_class=type(parser))
    _memory_questions(questions)
    _code_questions(questions)
    _event_questions(questions)
    _linux_questions(questions)
    parser.set_defaults(command=run)


Questions = argparse._SubParsersAction


def _common_options(parser: argparse.ArgumentParser) -> None:
    """Understood before the question and after it."""
    later = argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=later, help="print JSON: an object for each row")
    parser.add_argument("--csv", action="store_true", default=later, help="print comma-separated values")
    parser.add_argument(
        "--if", dest="condition", default=later, metavar="CONDITION", help="only where an expression is true"
    )
    parser.add_argument("--count-by", default=later, metavar="FIELDS", help="count rows by columns, as task,function")
    parser.add_argument("--workers", type=number, default=later, metavar="N", help="processes to use (one a core)")
    parser.add_argument(
        "--symbols", action="append", default=later, metavar="FILE", help="an ELF file or System.map; may be repeated"
    )
    parser.add_argument(
        "--left-out", action="append", default=later, metavar="FILE", help="a file that the recording was made without"
    )


def _memory_questions(questions: Questions[argparse.ArgumentParser]) -> None:
    for name, text in (
        ("who-wrote", "the last write to memory before a position"),
        ("writes", "all writes to memory"),
        ("reads", "all reads of memory"),
        ("accesses", "all reads and writes of memory"),
    ):
        parser = _question(questions, name, text, _MEMORY[name])
        parser.add_argument("address", metavar="ADDRESS")
        parser.add_argument("size", metavar="SIZE", type=number, nargs="?", default=8, help="bytes (8)")
        parser.add_argument("--physical", action="store_true", help="ADDRESS is a physical one")
        if name == "who-wrote":
            parser.add_argument("--before", metavar="POSITION", default="end", help="default: the end")


def _code_questions(questions: Questions[argparse.ArgumentParser]) -> None:
    parser = _question(
        questions,
        "executions",
        "all executions of instructions in a range",
        lambda guest, queries, o: queries.executions(guest.address_of(o.address), o.size, physical=o.physical),
    )
    parser.add_argument("address", metavar="ADDRESS")
    parser.add_argument("size", metavar="SIZE", type=number, nargs="?", default=1, help="bytes (1)")
    parser.add_argument("--physical", action="store_true", help="ADDRESS is a physical one")
    parser = _question(
        questions,
        "calls",
        "all calls of a function, with arguments and return value",
        lambda guest, queries, o: queries.calls(guest.address_of(o.function), o.arguments),
    )
    parser.add_argument("function", metavar="ADDRESS")
    parser.add_argument("--arguments", metavar="N", type=number, default=6, help="how many it takes (6)")
    parser = _question(questions, "syscalls", "all system calls; of Linux by name", _system_calls)
    parser.add_argument("calls", metavar="CALL", nargs="*", help="only these: names of Linux, or numbers")
    parser.add_argument("--failed", action="store_true", help="only those that returned an error")
    parser.add_argument("--durations", action="store_true", help="how many ticks each took")
    _of_somebody(parser)


def _linux_questions(questions: Questions[argparse.ArgumentParser]) -> None:
    for name, text, answer in (
        ("page-faults", "all page faults of Linux", lambda _guest, queries, o: queries.page_faults(o.process)),
        ("switches", "all switches between tasks of Linux", lambda _guest, queries, o: queries.switches(o.process)),
        ("wakeups", "who of Linux's tasks woke whom", lambda _guest, queries, o: queries.wakeups(o.process)),
    ):
        _of_somebody(_question(questions, name, text, answer))
    for name, text in (("allocations", "what Linux allocated"), ("frees", "what Linux freed")):
        parser = _question(questions, name, text, _SLAB[name])
        parser.add_argument("--size", metavar="BYTES", type=number, help="only of so many bytes")
        parser.add_argument("--cache", metavar="NAME", default="", help="only of this slab cache")
        _of_somebody(parser)
    parser = _question(
        questions,
        "object",
        "who allocated and freed the objects of Linux at an address",
        lambda guest, queries, o: queries.object_history(guest.address_of(o.address)),
    )
    parser.add_argument("address", metavar="ADDRESS")
    parser = _question(questions, "profile", "who is found where, at equal distances in time", _profile)
    parser.add_argument("--every", metavar="TICKS", type=number, help="how far apart (about a millisecond)")
    _of_somebody(parser)


def _of_somebody(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--process", default="", metavar="PROCESS", help="only of this PID or name")


def _event_questions(questions: Questions[argparse.ArgumentParser]) -> None:
    for name, text in (("exceptions", "all exceptions and INT n"), ("interrupts", "all external interrupts")):
        parser = _question(questions, name, text, _EVENTS[name])
        parser.add_argument("vectors", metavar="VECTOR", type=number, nargs="*", help="only these")
    parser = _question(
        questions, "ports", "all accesses to ports", lambda _guest, queries, o: queries.port_accesses(o.ports)
    )
    parser.add_argument("ports", metavar="PORT", type=number, nargs="*", help="only these")
    parser = _question(
        questions,
        "disk",
        "all requests to drives",
        lambda _guest, queries, o: queries.disk_requests(o.drives, sector=o.sector),
    )
    parser.add_argument("drives", metavar="DRIVE", nargs="*", help="only these, as disk0")
    parser.add_argument("--sector", metavar="NUMBER", type=number, help="only those that move this sector")
    _question(questions, "cr3", "all loads of CR3", lambda _guest, queries, _options: queries.cr3_loads())
    parser = _question(
        questions, "console", "all lines on a console", lambda _guest, queries, o: queries.console_lines(o.port)
    )
    parser.add_argument("port", metavar="PORT", type=int, nargs="?", default=0, help="0 is COM1, -1 the debug console")
    parser = _question(questions, "diff", "what differs between two positions", _difference)
    parser.add_argument("before", metavar="POSITION")
    parser.add_argument("after", metavar="POSITION")


def _question(
    questions: Questions[argparse.ArgumentParser], name: str, text: str, answer: Answer
) -> argparse.ArgumentParser:
    parser = questions.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
    parser.set_defaults(answer=answer)
    _common_options(parser)
    return parser


def _who_wrote(guest: Guest, queries: Queries, options: argparse.Namespace) -> Any:
    before = guest.seek(options.before)
    row = queries.who_wrote(guest.address_of(options.address), options.size, before=before, physical=options.physical)
    return [] if row is None else [row]


_MEMORY: dict[str, Answer] = {
    "who-wrote": _who_wrote,
    "writes": lambda guest, queries, o: queries.writes(guest.address_of(o.address), o.size, physical=o.physical),
    "reads": lambda guest, queries, o: queries.reads(guest.address_of(o.address), o.size, physical=o.physical),
    "accesses": lambda guest, queries, o: queries.accesses(guest.address_of(o.address), o.size, physical=o.physical),
}
_EVENTS: dict[str, Answer] = {
    "exceptions": lambda _guest, queries, o: queries.exceptions(o.vectors or None),
    "interrupts": lambda _guest, queries, o: queries.interrupts(o.vectors or None),
}


_SLAB: dict[str, Answer] = {
    "allocations": lambda _guest, queries, o: queries.allocations(process=o.process, size=o.size, cache=o.cache),
    "frees": lambda _guest, queries, o: queries.frees(process=o.process, size=o.size, cache=o.cache),
}


def _system_calls(guest: Guest, queries: Queries, options: argparse.Namespace) -> Any:
    """By Linux's names where it is Linux, else by numbers."""
    guest.seek("end")
    if find_linux(guest.session.system) is not None or options.process or options.failed:
        return queries.linux_calls(options.calls, process=options.process, failed=options.failed)
    return queries.system_calls(number(call) for call in options.calls)


def _profile(_guest: Guest, queries: Queries, options: argparse.Namespace) -> Any:
    from vmdbg.queries.profile import EVERY

    return queries.profile(options.every if options.every is not None else EVERY, process=options.process)


def _difference(guest: Guest, queries: Queries, options: argparse.Namespace) -> Any:
    return queries.difference(guest.seek(options.before), guest.seek(options.after))


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    from vmdbg.api.boot import open_recording  # much to load, for this command only
    from vmdbg.cli.history import progress_shown, warn_of_damage
    from vmdbg.queries.rows import StateDifference
    from vmdbg.session.questions import condition, counted, default_count

    with open_recording(options.recording, left_out=options.left_out) as guest, progress_shown("searching") as progress:
        assert guest.recording is not None
        warn_of_damage(guest.recording, message)
        for path in options.symbols:
            guest.load_symbols(path)
        if _names_symbols(options):
            guest.seek("end", progress)
        queries = guest.queries.using(workers=options.workers, on_progress=progress)
        if options.condition:
            queries = queries.only_if(condition(guest.session, options.condition))
        found = options.answer(guest, queries, options)
        if not isinstance(found, StateDifference):
            fields = options.count_by or default_count(found)
            found = counted(guest.session, found, fields) if fields else found
    _print(found, options)
    return 0


def _names_symbols(options: argparse.Namespace) -> bool:
    """Whether an address may be a symbol, which a guest has in its memory only once it has come up."""
    addresses = [getattr(options, name, "0") for name in ("address", "function")]
    positions = [getattr(options, name, "") for name in ("before", "after")]
    return not all(map(_is_number, addresses)) or any(position.startswith("hit:") for position in positions)


def _is_number(text: str) -> bool:
    try:
        number(text)
    except UserError:
        return False
    return True


def _print(found: Any, options: argparse.Namespace) -> None:
    from vmdbg.cli.query_output import as_plain
    from vmdbg.queries.rows import StateDifference

    is_difference = isinstance(found, StateDifference)
    tables = [found.registers, found.memory, found.devices] if is_difference else [found]
    if options.json:
        json.dump(as_plain(found), sys.stdout)
        sys.stdout.write("\n")
    elif options.csv:
        _print_csv(tables)
    else:
        _print_tables(tables, durations=options.durations)


def _print_csv(tables: Sequence[Sequence[Any]]) -> None:
    from vmdbg.session.query_rows import csv_lines

    for rows in tables:
        for line in csv_lines(rows):
            sys.stdout.write(line + "\n")


def _print_tables(tables: Sequence[Sequence[Any]], *, durations: bool) -> None:
    from vmdbg.cli.query_output import table

    wanted = [rows for rows in tables if rows]
    for index, rows in enumerate(wanted):
        if index:
            sys.stdout.write("\n")
        for line in table(rows, durations=durations):
            sys.stdout.write(line + "\n")
    if not wanted:
        message("nothing was found")
