"""cpu, cpus: which CPU is looked at, and what each of them does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.debugger.cpu import Cpu
from vmdbg.document.document import Block, Document, Json, Style, Text, count, document, joined, table, text
from vmdbg.errors import GuestError, UserError
from vmdbg.session.linux import find_linux
from vmdbg.session.processors import chosen_cpu, state_words
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text
from vmdbg.session.waiting_interrupts import waiting_interrupts

if TYPE_CHECKING:
    from vmdbg.os.linux.lock_spinners import Spin

ALL = "all"
RFLAGS_IF = 0x200
COLUMNS = ("", ">cpu", "state", "mode", ">ring", "IF", "task", "at", "spins for", "to be taken")
RARE = ("spins for", "to be taken")
"""Columns that are there where something is in them."""


def declare(parser: Parser) -> None:
    what = "its number, or all, and then a command to be carried out there alone; none: say which is looked at"
    parser.add_argument("what", nargs="?", default="", metavar="CPU", help=what)


@command("cpu", Group.CPU, declare, examples=("cpu", "cpu 0", "cpu 0 bt", "cpu all registers rip"), rest="what")
def cpu(session: Session, arguments: Arguments) -> Document:
    """Look at another CPU: registers, memory, stack and steps are its, until the guest has moved.

    `cpu 1 bt` carries out one command there and comes back; `cpu all bt` does so for each. Looking changes nothing:
    whose turn it is does not depend on it.
    """
    number, _, line = arguments.what.strip().partition(" ")
    if number == ALL:
        return _everywhere(session, line.strip())
    if not number:
        return document(_where(session, session.debugger.cpu))
    chosen = chosen_cpu(session, number)
    if line.strip():
        with session.debugger.of(chosen):
            return session.run(line)
    session.debugger.look_at(chosen)
    session.frames.select(0)
    return document(_where(session, session.debugger.cpu))


def _where(session: Session, one: Cpu) -> Text:
    state = state_words(one)
    return joined((text(f"CPU {one.number}", Style.HEADING), f", {state}, at ", place_text(session, one.linear_pc)))


def _everywhere(session: Session, line: str) -> Document:
    if not line:
        raise UserError("cpu all what? Say a command that is to be carried out for each CPU, as cpu all bt")
    blocks: list[Block] = []
    values: list[Json] = []
    for one in session.debugger.cpus:
        with session.debugger.of(one.number):
            blocks.append(text(f"CPU {one.number}, {state_words(one)}", Style.HEADING))
            answer = session.run(line)
            blocks += answer.blocks
            values.append(answer.data)
    return document(*blocks, value=values)


@command("cpus", Group.CPU, aliases=("info cpus", "lscpu"), examples=("cpus", "cpus --json"))
def cpus(session: Session, arguments: Arguments) -> Document:
    """List the CPUs: whose turn it is, who sleeps, and what each runs; the one that is looked at is marked.

    Where there are any: the lock of Linux that a CPU spins for, and the interrupts that wait in its local APIC, with
    the functions that other CPUs have it run.
    """
    spins = _spins(session)
    rows = [_row(session, one, spins.get(one.number)) for one in session.debugger.cpus]
    kept = [place for place, name in enumerate(COLUMNS) if name not in RARE or any(str(row[place]) for row in rows)]
    return document(table([COLUMNS[place] for place in kept], [[row[place] for place in kept] for row in rows]))


def _spins(session: Session) -> dict[int, Spin]:
    with suppress(GuestError):
        linux = find_linux(session.system)
        return linux.spinning() if linux is not None else {}
    return {}


def _row(session: Session, one: Cpu, spin: Spin | None) -> tuple[Text, ...]:
    looked_at = one.number == session.debugger.cpu.number
    mode, takes_interrupts = one.mode, bool(one.read("rflags") & RFLAGS_IF)
    with session.debugger.of(one.number):
        task = session.system.task()
        where = place_text(session, one.linear_pc)
    style = Style.DIM if one.halted or one.waits_for_sipi else Style.PLAIN
    return (
        text("=>" if looked_at else "", Style.CURRENT, looked_at),
        count(one.number),
        text(state_words(one), Style.CURRENT if one.has_turn else style),
        text(f"{mode.width}-bit" if mode.is_protected else mode.value),
        count(one.ring),
        text("on" if takes_interrupts else "off", value=takes_interrupts),
        text(f"{task.name}/{task.pid}" if task is not None else "", Style.PLAIN),
        where,
        _lock(session, spin),
        text(", ".join(waiting_interrupts(session, one.number))),
    )


def _lock(session: Session, spin: Spin | None) -> Text:
    if spin is None:
        return text("")
    if spin.address is None:
        return text(f"a {spin.kind.value}, in {spin.function}")
    named = session.describe(spin.address) or f"{spin.address:#x}"
    return text(f"{spin.kind.value} {named}{f' ({spin.wants})' if spin.wants else ''}", Style.SYMBOL)
