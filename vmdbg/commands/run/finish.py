"""finish and reverse-finish."""

from __future__ import annotations

from vmdbg.debugger.context import current_context
from vmdbg.debugger.stepping import BackwardRun, Frame, ToPlaceRun, back_to
from vmdbg.debugger.stops import StepDone
from vmdbg.document.document import Document, hexadecimal, joined
from vmdbg.errors import UserError
from vmdbg.os.seam import Frame as StackFrame
from vmdbg.session.registry import Arguments, Effect, Group, command
from vmdbg.session.session import Session
from vmdbg.session.unwinding import backtrace
from vmdbg.units import Linear
from vmdbg.x86.instruction import Kind


def caller(session: Session) -> StackFrame:
    """The frame that the current function returns to. Raises UserError."""
    trace = backtrace(session)
    if len(trace.frames) < 2:
        raise UserError(f"there is no caller to be seen: {trace.stopped or 'this is the outermost frame'}")
    return trace.frames[1]


@command("finish", Group.RUN, aliases=("fin", "gu", "step-out"), examples=("finish",), effect=Effect.RUNS)
def finish(session: Session, arguments: Arguments) -> Document:
    """Run until the current function has returned to its caller, and show what it returned."""
    outer = caller(session)
    now = current_context(session.debugger.engine)
    frame = Frame(now.rsp + 1, now.cr3, now.cpl)
    result = session.execution.carry(lambda d: ToPlaceRun(d, outer.pc, frame))
    if isinstance(session.debugger.last_stop, StepDone) and session.debugger.pc == outer.pc:
        value = session.registers.read("rax")
        return result + Document((joined(("returned ", hexadecimal(value), f" = {value}")),))
    return result


@command("reverse-finish", Group.RUN, aliases=("rfin", "rfinish"), examples=("reverse-finish",), effect=Effect.RUNS)
def reverse_finish(session: Session, arguments: Arguments) -> Document:
    """Go back to the call of the current function."""
    outer = caller(session)
    calls = [outer.pc - size for size in (5, 2, 3, 6, 7, 4) if _is_call(session, outer.pc - size, size)]
    if not calls:
        raise UserError(f"no call instruction is found before {outer.pc:#x}, where this function returns to")
    sp = outer.sp
    return session.execution.carry(
        lambda _: BackwardRun(lambda d: back_to(d, calls[0], lambda d: current_context(d.engine).rsp == sp))
    )


def _is_call(session: Session, address: int, size: int) -> bool:
    code = session.debugger.linear().read_prefix(Linear(address), size)
    found = session.disassembler.decode(code or b"\xff", 0)
    return found.length == size and Kind.CALL in found.kind
