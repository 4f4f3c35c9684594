"""oops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.commands.code.bt import frame_table
from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Block, Document, Json, Style, Text, document, hexadecimal, joined, text
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.session.oops_watch import oops_headline
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.exceptions import PAGE_FAULT, describe_error_code, vector_name
from vmdbg.x86.instruction import MAX_LENGTH

if TYPE_CHECKING:
    from vmdbg.os.linux.oops import Oops

_REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rflags")
_A_ROW = 4


@command("oops", Group.SYSTEM, examples=("oops",), requires=linux_here)
def oops(session: Session, arguments: Arguments) -> Document:
    """Show the oops, panic, warning or stall that the kernel is about to report here. `catch oops` stops at them."""
    found = linux_here(session).oops()
    if found is None:
        return document(text("the kernel is not reporting anything wrong here", Style.DIM), value={})
    trace = frame_table(session, session.frames.expanded(found.backtrace.frames))
    ending = [] if found.backtrace.complete else [text(f"(ends here: {found.backtrace.stopped})", Style.DIM)]
    shown: list[Block] = [oops_headline(found), *_fault(session, found), trace, *ending]
    return document(*shown, value=_value(found))


def _fault(session: Session, found: Oops) -> list[Text]:
    """The exception and the registers at it."""
    if found.kind is not ReportKind.OOPS:
        return []
    lines = [text(_exception(found)), *_instruction(session, found.backtrace.frames[0].pc)]
    known = [name for name in _REGISTERS if name in found.registers]
    for start in range(0, len(known), _A_ROW):
        cells = [(name, found.registers[name]) for name in known[start : start + _A_ROW]]
        lines.append(joined(part for name, value in cells for part in (f"  {name:>6} ", hexadecimal(value, 16))))
    named = [(name, session.describe(found.registers[name])) for name in known]
    lines += [text(f"  {name:>6} is {where}", Style.SYMBOL) for name, where in named if where]
    return lines


def _instruction(session: Session, pc: Linear) -> list[Text]:
    code = session.debugger.linear().read_prefix(pc, MAX_LENGTH)
    if not code:
        return []
    return [joined((text("    code "), text(str(session.disassembler.decode(code, pc)), Style.MNEMONIC)))]


def _exception(found: Oops) -> str:
    if found.vector is None:
        return f"error code {found.error_code:#x}"
    error = describe_error_code(found.vector, found.error_code)
    address = f", address {found.address:#x}" if found.vector == PAGE_FAULT else ""
    return f"{vector_name(found.vector)}{address}" + (f": {error}" if error else "")


def _value(found: Oops) -> dict[str, Json]:
    return {
        "kind": found.kind.value,
        "message": found.message,
        "task": found.task,
        "pid": found.pid,
        "registers": {name: f"{value:#x}" for name, value in found.registers.items()},
        "frames": [
            {"pc": f"{frame.pc:#x}", "where": str(frame.location or ""), "arguments": dict(frame.arguments)}
            for frame in found.backtrace.frames
        ],
    }
