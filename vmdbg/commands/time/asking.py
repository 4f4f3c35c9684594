"""What `query` answers: each question asked of the history, and its rows as a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmdbg.commands.points.conditions import tell_untyped
from vmdbg.commands.points.watch import object_size
from vmdbg.commands.time.diff import diff
from vmdbg.commands.time.races import races
from vmdbg.document.document import Document
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.queries.profile import EVERY
from vmdbg.queries.queries import Queries
from vmdbg.queries.scan import Row
from vmdbg.queries.screens import EVERY as SCREENS_EVERY
from vmdbg.session.drives import drive_named
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.known_linux import interrupts_of, linux_of, who_of
from vmdbg.session.linux import find_linux
from vmdbg.session.numbers import port
from vmdbg.session.positions import find_position, ticks_of
from vmdbg.session.query_rows import rows_document
from vmdbg.session.question_options import DIFFERENCE, MEMORY, RACES, SHOWN, WHO_WROTE
from vmdbg.session.questions import condition, counted, default_count
from vmdbg.session.registry import Arguments, Effect
from vmdbg.session.session import Session
from vmdbg.x86.exceptions import find_vector

MOST_ARGUMENTS = 6


def answer(session: Session, arguments: Arguments) -> Document:
    """To a question that there is. Raises UserError."""
    _refuse_useless(arguments)
    shown = arguments.limit or SHOWN
    if arguments.question == DIFFERENCE:
        words = _between(arguments, 1, 2, "one instant, or two")
        return diff(session, Arguments(first=words[0], second=[*words, "here"][1], limit=shown))
    workers = session.workers if Effect.HOST in session.allowed else 1
    queries = Queries(
        session.debugger.timeline,
        workers=workers,
        on_progress=session.progress,
        linux=lambda: linux_of(session),
        who=lambda: who_of(session),
        interrupts=lambda functions: interrupts_of(session, functions),
    )
    if arguments.question == RACES:
        return races(session, queries, arguments, shown)
    asked = QUESTIONS[arguments.question](session, arguments)
    if arguments.condition:
        queries = queries.only_if(condition(session, arguments.condition))
        tell_untyped(session, session.compile(arguments.condition))
    with elsewhen(session):
        rows = asked(queries)
    fields = arguments.count_by or default_count(rows)
    if fields:
        rows = counted(session, rows, fields)
    return rows_document(session, rows, shown, durations=arguments.durations, as_csv=arguments.csv)


@dataclass(frozen=True, slots=True)
class _Option:
    """`flag` is what users write, where that is another word."""

    name: str
    questions: frozenset[str]
    flag: str = ""


_SLAB = frozenset({"allocations", "frees"})
_OF_SOMEBODY = frozenset({"syscalls", "page-faults", "switches", "wakeups", "profile"}) | _SLAB
OF_LINUX = frozenset({"page-faults", "switches", "wakeups", "object"}) | _SLAB
"""Questions that only a Linux answers."""
OPTIONS = (
    _Option("process", _OF_SOMEBODY),
    _Option("failed", frozenset({"syscalls"})),
    _Option("durations", frozenset({"syscalls"})),
    _Option("size", _SLAB),
    _Option("cache", _SLAB),
    _Option("every", frozenset({"profile", "screens"})),
    _Option("sector", frozenset({"disk"})),
    _Option("drive", frozenset({"disk"})),
    _Option("physical", frozenset({WHO_WROTE, *MEMORY})),
    _Option("before", frozenset({WHO_WROTE})),
    _Option("arguments", frozenset({"calls"})),
    *(_Option(name, frozenset({RACES})) for name in ("function", "address", "sync", "mixed")),
    _Option("begin", frozenset({RACES}), "from"),
    _Option("until", frozenset({RACES}), "to"),
)
_UNCONDITIONAL = {
    "console": "what was written is known without going there",
    WHO_WROTE: "it is one write; ask for `writes`",
    DIFFERENCE: "it is of two instants",
    RACES: "it is of two instants",
}


def _refuse_useless(arguments: Arguments) -> None:
    """What would be ignored is not taken."""
    for option in OPTIONS:
        if getattr(arguments, option.name) and arguments.question not in option.questions:
            takers = ", ".join(sorted(option.questions))
            raise UserError(f"--{option.flag or option.name} means nothing to {arguments.question}: it is for {takers}")
    if arguments.condition and arguments.question in _UNCONDITIONAL:
        raise UserError(f"a condition means nothing to {arguments.question}: {_UNCONDITIONAL[arguments.question]}")


Asked = Callable[[Queries], Sequence[Row]]


def _memory(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        words = _between(arguments, 1, 2, "an address, and perhaps how many bytes")
        aim = Aim.CODE if kind == "executions" else Aim.OBJECT
        place = session.place(words[0], physical=arguments.physical, aim=aim)
        given = words[1] if len(words) > 1 else "1" if kind == "executions" else ""
        size = object_size(session, place, given)
        return lambda queries: getattr(queries, kind)(place.address, size, physical=place.is_physical)

    return ask


def _who_wrote(session: Session, arguments: Arguments) -> Asked:
    words = _between(arguments, 1, 2, "an address, and perhaps how many bytes")
    place = session.place(words[0], physical=arguments.physical, aim=Aim.OBJECT)
    size = object_size(session, place, words[1] if len(words) > 1 else "")
    before = find_position(session, arguments.before) if arguments.before else None

    def ask(queries: Queries) -> Sequence[Row]:
        row = queries.who_wrote(place.address, size, before=before, physical=place.is_physical)
        return [row] if row is not None else []

    return ask


def _calls(session: Session, arguments: Arguments) -> Asked:
    words = _between(arguments, 1, 2, "a function, and perhaps how many arguments it takes")
    function = session.linear(words[0], aim=Aim.CODE)
    given = arguments.arguments or (words[1] if len(words) > 1 else "")
    number = session.integer(given) if given else MOST_ARGUMENTS
    return lambda queries: queries.calls(function, number)


def _deliveries(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        del session
        vectors = [_vector(word) for word in arguments.what]
        return lambda queries: getattr(queries, kind)(vectors or None)

    return ask


def _vector(word: str) -> int:
    found = find_vector(word)
    if found is None:
        raise UserError(f"{word!r} is no vector: give #PF, 14 or 0x20")
    return found


def _system_calls(session: Session, arguments: Arguments) -> Asked:
    """By Linux's names where it is Linux, else by numbers."""
    calls = list(arguments.what)
    with elsewhen(session, session.debugger.timeline.end):
        is_linux = find_linux(session.system) is not None
    if is_linux or arguments.process or arguments.failed:
        return lambda queries: queries.linux_calls(calls, process=arguments.process, failed=arguments.failed)
    numbers = [session.integer(word) for word in calls]
    return lambda queries: queries.system_calls(numbers)


def _of_process(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        del session
        _between(arguments, 0, 0, "no more than options")
        return lambda queries: getattr(queries, kind)(arguments.process)

    return ask


def _slab(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        _between(arguments, 0, 0, "no more than options")
        size = session.integer(arguments.size) if arguments.size else None
        return lambda queries: getattr(queries, kind)(process=arguments.process, size=size, cache=arguments.cache)

    return ask


def _object(session: Session, arguments: Arguments) -> Asked:
    (word,) = _between(arguments, 1, 1, "the address of something in it")
    place = session.linear(word)
    return lambda queries: queries.object_history(place)


def _profile(session: Session, arguments: Arguments) -> Asked:
    _between(arguments, 0, 0, "no more than options")
    every = ticks_of(session, arguments.every) if arguments.every else EVERY
    return lambda queries: queries.profile(every, process=arguments.process)


def _ports(session: Session, arguments: Arguments) -> Asked:
    ports = [port(session.integer(word)) for word in arguments.what]
    return lambda queries: queries.port_accesses(ports)


def _disk(session: Session, arguments: Arguments) -> Asked:
    drives = [*arguments.what, *([arguments.drive] if arguments.drive else [])]
    there = [drive.name for drive in session.debugger.machine.config.drives]
    drives = [drive_named(word, there) for word in drives]
    sector = session.integer(arguments.sector) if arguments.sector else None
    return lambda queries: queries.disk_requests(drives, sector=sector)


def _packets(session: Session, arguments: Arguments) -> Asked:
    del session
    words = " ".join(arguments.what)
    return lambda queries: queries.packets(words)


def _ipis(session: Session, arguments: Arguments) -> Asked:
    del session
    _between(arguments, 0, 0, "nothing")
    return lambda queries: queries.ipis()


def _cr3(session: Session, arguments: Arguments) -> Asked:
    del session
    _between(arguments, 0, 0, "nothing")
    return lambda queries: queries.cr3_loads()


def _console(session: Session, arguments: Arguments) -> Asked:
    words = _between(arguments, 0, 1, "a port: 0 is COM1, 4 the virtio console, -1 the debug console")
    port = session.integer(words[0]) if words else 0
    return lambda queries: queries.console_lines(port)


def _screens(session: Session, arguments: Arguments) -> Asked:
    _between(arguments, 0, 0, "no more than options")
    every = ticks_of(session, arguments.every) if arguments.every else SCREENS_EVERY
    return lambda queries: queries.screens(every)


QUESTIONS: dict[str, Callable[[Session, Arguments], Asked]] = {
    WHO_WROTE: _who_wrote,
    "writes": _memory("writes"),
    "reads": _memory("reads"),
    "accesses": _memory("accesses"),
    "executions": _memory("executions"),
    "calls": _calls,
    "syscalls": _system_calls,
    "page-faults": _of_process("page_faults"),
    "switches": _of_process("switches"),
    "wakeups": _of_process("wakeups"),
    "allocations": _slab("allocations"),
    "frees": _slab("frees"),
    "object": _object,
    "profile": _profile,
    "exceptions": _deliveries("exceptions"),
    "interrupts": _deliveries("interrupts"),
    "ports": _ports,
    "disk": _disk,
    "packets": _packets,
    "ipis": _ipis,
    "cr3": _cr3,
    "console": _console,
    "screens": _screens,
}


def _between(arguments: Arguments, least: int, most: int, wanted: str) -> list[str]:
    words: list[str] = arguments.what
    if not least <= len(words) <= most:
        raise UserError(f"query {arguments.question} takes {wanted}")
    return words
