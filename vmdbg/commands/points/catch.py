"""catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vmdbg.commands.declare import command
from vmdbg.commands.points.catch_devices import (
    DEVICE_KINDS,
    change_devices,
    declare_devices,
    device_lines,
    device_values,
)
from vmdbg.debugger.point_table import PointTable
from vmdbg.document.document import Document, Json, Style, document, text
from vmdbg.engine.exits import EventKind
from vmdbg.engine.stops import Catches
from vmdbg.errors import UserError
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.session.oops_watch import OopsWatch
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.syscall_watch import SyscallWatch
from vmdbg.x86.exceptions import EXCEPTIONS, NMI, find_vector, interrupt_name, vector_name
from vmdbg.x86.msr import BY_INDEX, find_msr

EVENTS = ("cr3", "mode", "ring", "magic", "locked", "msr", "rdmsr", "wrmsr", "port", "in", "out")
KINDS = ("vector", "exception", "interrupt", *EVENTS, *DEVICE_KINDS, "triple-fault", "oops", "syscall", "all")
DELIVERIES = {
    "vector": ("vectors", "interrupts"),
    "exception": ("vectors",),
    "interrupt": ("interrupts",),
    "int": ("vectors", "interrupts"),
}
"""Fields of Catches."""
WITHOUT_WORDS = ("cr3", "mode", "triple-fault", "triple", "shutdown", "all")
PLAIN_EVENTS = {
    "cr3": EventKind.CR3_LOAD,
    "mode": EventKind.MODE_SWITCH,
    "ring": EventKind.RING,
    "magic": EventKind.MAGIC,
    "locked": EventKind.LOCKED,
}
MSR_EVENTS = {
    "msr": (EventKind.MSR_READ, EventKind.MSR_WRITE),
    "rdmsr": (EventKind.MSR_READ,),
    "wrmsr": (EventKind.MSR_WRITE,),
}
PORT_EVENTS = {
    "port": (EventKind.PORT_READ, EventKind.PORT_WRITE),
    "in": (EventKind.PORT_READ,),
    "out": (EventKind.PORT_WRITE,),
}

FIELDS = ("vectors", "events", "msrs", "ports", "interrupts", "devices")

T = TypeVar("T")


def declare(parser: Parser) -> None:
    parser.add_argument(
        "kind", nargs="?", default="", metavar="KIND", help=", ".join(KINDS) + ", or the name of an exception"
    )
    parser.add_argument(
        "what", nargs="*", default=[], metavar="WHAT", help="vectors, MSRs, ports, requests or packets; none: all"
    )
    parser.add_argument("--off", action="store_true", help="catch it no longer")
    declare_devices(parser)


@command(
    "catch",
    Group.POINTS,
    declare,
    aliases=("info catch", "sx"),
    examples=(
        "catch",
        "catch #PF",
        "catch vector 13 0x80",
        "catch interrupt 0x20",
        "catch cr3",
        "catch wrmsr lstar",
        "catch port 0x3f8",
        "catch ring",
        "catch magic",
        "catch disk write --sector 0-2047",
        "catch msi 0x31",
        "catch ipi 0xfd",
        "catch packet tcp port 80",
        "catch oops",
        "catch oops panic warning",
        "catch all --off",
    ),
    condition=True,
)
def catch(session: Session, arguments: Arguments) -> Document:
    """Stop for exceptions and interrupts by vector, CR3 loads, mode switches, MSR and port accesses.

    `exception` is for faults, traps and INT n, `interrupt` for what devices raise and the NMI, `vector` for both.
    A caught vector stops at its handler's first instruction, the others before the instruction that does it.
    `disk` is for requests to drives as they are done, `msi` for message signalled interrupts of devices, `ipi` for what
    CPUs send to one another, by vector or name (`catch ipi RESCHEDULE --cpu 0 --to 1`), `packet` for frames of network
    devices, in words as tcpdump's (`catch packet tcp port 80 and received`): all stop at the boundary behind that, and
    take conditions, as `catch disk read --drive disk0 if $rip > 0`.
    `ring` is for every change of it, `magic` for XCHG BX,BX, `syscall NAME...` for system calls of a Linux guest.
    A triple fault always stops, with the chain of faults that led to it. `catch oops` stops where a Linux kernel is
    about to report an oops, a panic, a warning, a lockup, a hung task, an RCU stall or what its checkers find, or only
    those that are named; `oops` then shows it. Without arguments: what is caught.
    """
    points, oopses = session.debugger.points, session.part(OopsWatch)
    _refuse_for_others(arguments)
    if arguments.kind:
        if arguments.kind == "oops" or (arguments.kind, arguments.off) == ("all", True):
            kinds = _reports(arguments.what)
            oopses.stop(kinds) if arguments.off else oopses.start(kinds)
        calls = session.part(SyscallWatch)
        if arguments.kind == "syscall":
            calls.stop(arguments.what) if arguments.off else calls.start(arguments.what)
        elif (arguments.kind, arguments.off) == ("all", True):
            calls.stop([])
        if arguments.kind in DEVICE_KINDS:
            change_devices(session, arguments)
        elif arguments.kind not in ("oops", "syscall"):
            points.set_catches(_changed(points.catches, arguments, session))
    return _shown(points, oopses, session.part(SyscallWatch))


def _refuse_for_others(arguments: Arguments) -> None:
    if arguments.kind != "disk" and (arguments.sector or arguments.drive):
        raise UserError("--sector and --drive are for `catch disk`")
    if arguments.kind != "ipi" and (arguments.cpu or arguments.to):
        raise UserError("--cpu and --to are for `catch ipi`")
    if arguments.kind not in DEVICE_KINDS and arguments.condition:
        kinds = ", ".join(f"`catch {kind}`" for kind in DEVICE_KINDS)
        raise UserError(f"conditions are for {kinds}; elsewhere a breakpoint takes one")


@command("uncatch", Group.POINTS, declare, examples=("uncatch #PF", "uncatch all"))
def uncatch(session: Session, arguments: Arguments) -> Document:
    """Catch something no longer; `all` for everything."""
    arguments.off = True
    arguments.kind, arguments.condition = arguments.kind or "all", ""
    return catch(session, arguments)


def _reports(words: list[str]) -> frozenset[ReportKind]:
    """`panic`, `soft-lockup`...; all without words. Raises UserError."""
    known = {kind.value.lower().replace(" ", "-"): kind for kind in ReportKind}
    for word in words:
        if word.lower() not in known:
            raise UserError(f"{word!r} is nothing that a kernel reports; it reports: {', '.join(known)}")
    return frozenset(known[word.lower()] for word in words) or frozenset(ReportKind)


def _changed(catches: Catches, arguments: Arguments, session: Session) -> Catches:
    kind, off = arguments.kind.lower(), arguments.off
    if arguments.what and kind in WITHOUT_WORDS:
        raise UserError(f"catch {kind} takes no more words: {' '.join(arguments.what)!r} is too much")
    if kind == "all":
        if not off:
            raise UserError("catch what? `catch all` only makes sense with --off")
        return Catches()
    if kind in DELIVERIES:
        return _vectors(catches, DELIVERIES[kind], arguments.what, off)
    if kind in PLAIN_EVENTS:
        event = PLAIN_EVENTS[kind]
        return _with(catches, events=_combine(catches.events, {event}, off))
    if kind in MSR_EVENTS:
        numbers = {_number(word, "MSR", lambda w: _msr(w, session)) for word in arguments.what}
        return _subjects(catches, MSR_EVENTS[kind], "msrs", numbers, off)
    if kind in PORT_EVENTS:
        numbers = {_number(word, "port", session.integer) for word in arguments.what}
        return _subjects(catches, PORT_EVENTS[kind], "ports", numbers, off)
    if kind in ("triple-fault", "triple", "shutdown"):
        if off:
            raise UserError("a triple fault always stops: there is nothing to go on with")
        return catches
    fields = DELIVERIES["vector" if kind[0].isdigit() else "exception"]
    return _vectors(catches, fields, [arguments.kind, *arguments.what], off)


def _vectors(catches: Catches, fields: tuple[str, ...], words: list[str], off: bool) -> Catches:
    """For each field of `catches`; a vector with a name is meant as what it is a name of."""
    chosen: set[int] = set()
    for word in words:
        vector = find_vector(word)
        if vector is None:
            raise UserError(
                f"{word!r} cannot be caught; catch one of: {', '.join(KINDS)}, or a vector such as #PF or 0x20"
            )
        chosen.add(vector)
    if chosen == {NMI}:
        fields = ("interrupts",)
    every = set(EXCEPTIONS) if fields == DELIVERIES["exception"] else set(range(256))
    return _with(catches, **{field: _combine(getattr(catches, field), chosen or every, off) for field in fields})


def _subjects(catches: Catches, events: tuple[EventKind, ...], field: str, numbers: set[int], off: bool) -> Catches:
    known: frozenset[int] = getattr(catches, field)
    if off and numbers:
        left = known - numbers
        kinds = catches.events if left else catches.events - set(events)
        return _with(catches, events=kinds, **{field: left})
    others = _combine(catches.events, set(events), off)
    if not numbers:
        return _with(catches, events=others, **{field: frozenset()})
    return _with(catches, events=others, **{field: known | numbers})


def _with(catches: Catches, **changes: frozenset[int] | frozenset[EventKind]) -> Catches:
    values = {name: getattr(catches, name) for name in FIELDS} | changes
    return Catches(**values)


def _combine(known: frozenset[T], chosen: set[T], off: bool) -> frozenset[T]:
    return known - chosen if off else known | chosen


def _number(word: str, what: str, find: Callable[[str], int]) -> int:
    number = find(word)
    if not 0 <= number < 1 << (16 if what == "port" else 32):
        raise UserError(f"{word} is no {what}")
    return number


def _msr(word: str, session: Session) -> int:
    found = find_msr(word)
    return found.index if found is not None else session.integer(word)


def _shown(points: PointTable, oopses: OopsWatch, calls: SyscallWatch) -> Document:
    lines, catches = [], points.catches
    if catches.vectors:
        lines.append(f"exceptions: {_names(catches.vectors, vector_name)}")
    if catches.interrupts:
        lines.append(f"interrupts: {_names(catches.interrupts, interrupt_name)}")
    for kind in sorted(catches.events, key=lambda kind: kind.value):
        subjects = ""
        if kind in MSR_EVENTS["msr"]:
            subjects = ", ".join(_msr_name(number) for number in sorted(catches.msrs)) or "every MSR"
        if kind in PORT_EVENTS["port"]:
            subjects = ", ".join(f"{number:#x}" for number in sorted(catches.ports)) or "every port"
        lines.append(f"{kind.value}: {subjects}" if subjects else kind.value)
    lines += device_lines(points)
    lines.append("triple fault")
    lines += [str(oopses)] if oopses.wanted else []
    lines += [str(calls)] if calls.numbers is not None else []
    value: dict[str, Json] = {
        "vectors": sorted(catches.vectors),
        "interrupts": sorted(catches.interrupts),
        "events": sorted(kind.value for kind in catches.events),
        "msrs": [f"{number:#x}" for number in sorted(catches.msrs)],
        "ports": [f"{number:#x}" for number in sorted(catches.ports)],
        "devices": device_values(points),
        "oops": list(oopses.places) if oopses.wanted else None,
        "syscalls": None if calls.numbers is None else sorted(calls.numbers),
        "reports": sorted(kind.value for kind in oopses.kinds),
    }
    return document(text("caught:", Style.HEADING), *(f"  {line}" for line in lines), value=value)


def _names(vectors: frozenset[int], name: Callable[[int], str]) -> str:
    return "all" if len(vectors) == 256 else ", ".join(name(vector) for vector in sorted(vectors))


def _msr_name(number: int) -> str:
    return BY_INDEX[number].name if number in BY_INDEX else f"{number:#x}"
