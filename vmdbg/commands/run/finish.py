"""finish and reverse-finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vmdbg.c.types import Kind as TypeKind
from vmdbg.commands.declare import command
from vmdbg.debugger.back_to import back_to_call, calls_to
from vmdbg.debugger.back_to_interruption import ToInterrupted
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import Run
from vmdbg.debugger.stepping import BackwardRun, Frame, OutOfCodeRun, ToPlaceRun
from vmdbg.debugger.stops import StepDone
from vmdbg.document.document import Document, Text, document, hexadecimal, joined, text
from vmdbg.dwarf.ranges import covers, entry_ranges
from vmdbg.errors import UserError
from vmdbg.os.seam import Frame as StackFrame
from vmdbg.session.registry import Arguments, Effect, Group
from vmdbg.session.returned import returned_value
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.session.view import View


def caller(view: View, physical: int = 0) -> StackFrame:
    """The frame that a function returns to: that of the CPU, or another by its number. Raises UserError."""
    trace = view.frames.trace()
    if len(trace.frames) < physical + 2:
        raise UserError(f"there is no caller to be seen: {trace.stopped or 'this is the outermost frame'}")
    return trace.frames[physical + 1]


@command("finish", Group.RUN, aliases=("fin", "gu", "step-out"), examples=("finish",), effect=Effect.RUNS)
def finish(session: Session, arguments: Arguments) -> Document:
    """Run until the function of the frame looked at has returned to its caller, and show what it returned.

    One that the compiler has inlined is run to where its code ends.
    """
    selected = session.frames.selected()
    if selected.is_inlined and not selected.number:
        return session.execution.carry(lambda d: OutOfCodeRun(d, _inlined_code(selected)))
    if selected.is_inlined:
        raise UserError(f"{selected.function} is inlined and is not the innermost frame; `up` to the function it is in")
    outer = caller(session, selected.physical.number)
    now = Frame.of(session.debugger)
    rsp = outer.registers["rsp"]
    left = max(rsp - now.rsp, 0) + now.span
    frame = replace(now, rsp=now.rsp + 1 if not selected.physical.number else rsp, span=left)
    result = session.execution.carry(lambda d: ToPlaceRun(d, outer.pc, frame))
    if isinstance(session.debugger.last_stop, StepDone) and session.debugger.pc == outer.pc:
        return result + document(*_returned(session, selected))
    return result


def _inlined_code(frame: SourceFrame) -> Callable[[int], bool]:
    """Whether an address is code of the inlined function of a frame."""
    assert frame.scope is not None
    assert frame.debug is not None
    ranges, places = entry_ranges(frame.scope.die), frame.debug.places

    def inside(pc: int) -> bool:
        raw = places.to_file(pc)
        return raw is not None and covers(ranges, raw)

    return inside


def _returned(session: Session, frame: SourceFrame) -> list[Text]:
    """By the type of the function, where it is known."""
    type_ = frame.debug.returned_type() if frame.debug is not None else None
    if type_ is None:
        value = session.registers.read("rax")
        return [joined(("returned ", hexadecimal(value), f" = {value}"))]
    if type_.strip().kind is TypeKind.VOID:
        return [text("returned")]
    typed = returned_value(session, type_)
    if typed is None:
        return [text(f"returned a {type_}, which is not in rax")]
    session.scope.variables["_"] = typed
    words = str(typed)
    shown = words if words.startswith("(") else f"({type_}){words}"
    return [text(line) for line in f"returned {shown}".splitlines()]


@command("reverse-finish", Group.RUN, aliases=("rfin", "rfinish"), examples=("reverse-finish",), effect=Effect.RUNS)
def reverse_finish(session: Session, arguments: Arguments) -> Document:
    """Go back to the call of the function of the frame looked at; of an interrupt's handler, to what it interrupted."""
    return session.execution.carry(back_to_call_run(session, session.frames.selected().physical.number))


def back_to_call_run(view: View, physical: int = 0) -> Callable[[Debugger], Run]:
    """What goes back to the call of a frame, that of the CPU or another by its number, or to where an interrupt came.

    Raises UserError.
    """
    outer = caller(view, physical)
    pc, rsp = outer.pc, outer.registers["rsp"]
    if outer.is_exact:
        return lambda _: BackwardRun(lambda d: ToInterrupted(d, pc, rsp).search())
    if not calls_to(view.debugger, pc):
        raise UserError(f"no call instruction is found before {pc:#x}, where this function returns to")
    return lambda _: BackwardRun(lambda d: back_to_call(d, pc, rsp))
