"""Runs made of several: over calls, to a place in the same frame, through source lines, and backwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vmdbg.debugger.actions import Continue, Direction, Step
from vmdbg.debugger.back_to import OWNER, back_to, back_to_call, calls_to
from vmdbg.debugger.backward import BackwardStepRun
from vmdbg.debugger.context import Context, current_context, page_tables, stack_memory
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.points import Breakpoint
from vmdbg.debugger.rings import USER, ToUserRun
from vmdbg.debugger.runs import ContinueRun, Run, StepRun
from vmdbg.debugger.stops import BreakpointStop, StepDone, Stop
from vmdbg.units import Linear
from vmdbg.x86.instruction import MAX_LENGTH, Instruction, Kind

MAX_LINE_STEPS = 1 << 20
STACK_SPAN = 0x4000
"""Bytes: of a kernel's small stacks the next one's like frame is farther away, and of a call's return nothing is."""
_CALLS = Kind.CALL | Kind.INTERRUPT | Kind.SYSTEM_CALL
_KERNEL_RETURNS = Kind.INTERRUPT_RETURN | Kind.SYSTEM_RETURN
_RETURNS = Kind.RETURN | _KERNEL_RETURNS
SLICE_STEPS = 200


def instruction_at(debugger: Debuggee) -> Instruction:
    """The one about to run."""
    from vmdbg.x86.disassembly import disassembler

    read = debugger.engine.read_register
    width = debugger.cpu.width
    code = debugger.linear().read_prefix(debugger.pc, MAX_LENGTH)
    return disassembler(width).decode(code or b"\xff", read("rip"), debugger.pc - read("rip"))


@dataclass(frozen=True, slots=True)
class Frame:
    """What a place must share with the stack that a run began on: its memory, the ring, and no deeper stack.

    Of the stack at most `span` bytes may have been left: farther up is another thread's, which may come to the same
    place in the same address space, on this CPU or on another. The own thread may be on another CPU by then.
    """

    rsp: int
    began: Context
    span: int = STACK_SPAN

    @classmethod
    def of(cls, debugger: Debuggee) -> Frame:
        context = current_context(debugger.engine)
        return cls(context.rsp, context)

    def reached(self, debugger: Guest) -> bool:
        now, began = current_context(debugger.engine), self.began
        if now.cpl != began.cpl or not 0 <= now.rsp - self.rsp < self.span:
            return False
        return stack_memory(debugger.engine, began.cpl, began.rsp) == began.memory


@dataclass(frozen=True, slots=True)
class Same:
    """What a place must share with a context: everything, for another thread may have a higher stack."""

    context: Context

    def reached(self, debugger: Guest) -> bool:
        return current_context(debugger.engine) == self.context


class ToPlaceRun:
    """To an address in a frame, or to whatever else stops the guest."""

    def __init__(self, debugger: Debuggee, address: int, frame: Frame | Same | None) -> None:
        condition = frame.reached if frame is not None else None
        self._point: Breakpoint = debugger.points.add_breakpoint(address, owner=OWNER, condition=condition)
        self._run = ContinueRun(debugger, Continue())

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        return self._without_own(self._run.slice(debugger, budget))

    def _without_own(self, stop: Stop | None) -> Stop | None:
        if not isinstance(stop, BreakpointStop) or self._point not in stop.breakpoints:
            return stop
        others = tuple(point for point in stop.breakpoints if point is not self._point)
        return BreakpointStop(others) if others else StepDone()

    def abandon(self, debugger: Debuggee) -> None:
        debugger.points.remove(self._point)


class OutOfCodeRun:
    """On until the code is left that `inside` tells, by the frame that is in it; what it calls runs to its return."""

    def __init__(self, debugger: Debuggee, inside: Callable[[int], bool]) -> None:
        self._inside = inside
        self._steps = 0
        self._run = over_or_step(debugger)

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        if not isinstance(stop, StepDone):
            return stop
        self._run.abandon(debugger)
        self._steps += 1
        if not self._inside(debugger.pc) or self._steps > MAX_LINE_STEPS:
            return stop
        self._run = over_or_step(debugger)
        return None

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)


def over_or_step(debugger: Debuggee) -> Run:
    """One instruction; a call, software interrupt or system call with all it does, a repeated one to its end."""
    return _over(debugger, instruction_at(debugger))


def _over(debugger: Debuggee, instruction: Instruction) -> Run:
    """As over_or_step(), for who has decoded the instruction already."""
    after = debugger.pc + instruction.length
    if instruction.kind & Kind.SYSTEM_CALL and debugger.cpu.ring == USER:
        return _over_system_call(debugger, instruction, after)
    if instruction.kind & _CALLS:
        return ToPlaceRun(debugger, after, Frame.of(debugger))
    if Kind.REPEATED in instruction.kind:
        return StepRun(debugger, Step(span=(debugger.pc, Linear(debugger.pc + 1))))
    return StepRun(debugger, Step())


def _over_system_call(debugger: Debuggee, instruction: Instruction, after: int) -> Run:
    """SYSCALL returns behind itself, with the same stack; SYSENTER where the kernel chooses."""
    context = current_context(debugger.engine)
    if instruction.mnemonic == "sysenter":
        return ToUserRun(debugger, lambda d: page_tables(d.engine, d.engine.read_register("cr3")) == context.memory)
    return ToPlaceRun(debugger, after, Same(context))


class RepeatedRun:
    """A run as many times as asked, one after the other."""

    def __init__(self, debugger: Debuggee, start: Callable[[Debuggee], Run], times: int) -> None:
        self._start = start
        self._left = times
        self._run = start(debugger)

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        if not isinstance(stop, StepDone):
            return stop
        self._run.abandon(debugger)
        self._left -= 1
        if self._left <= 0:
            return stop
        self._run = self._start(debugger)
        return None

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)


class Lines:
    """What line stepping asks of whoever knows sources."""

    def __init__(
        self,
        span: Callable[[int], tuple[int, int] | None],
        is_start: Callable[[int], bool],
        skipped: Callable[[int], bool],
    ) -> None:
        self.span = span
        self.is_start = is_start
        self.skipped = skipped

    def enters(self, pc: int) -> bool:
        """Whether stepping into calls stops in the code there."""
        return self.span(pc) is not None and not self.skipped(pc)


class LineRun:
    """To the beginning of another source line. back_line() is its mirror.

    With `into`, calls are entered if their code has lines; system calls and interrupts never are.
    """

    def __init__(self, debugger: Debuggee, lines: Lines, *, into: bool) -> None:
        self._lines = lines
        self._into = into
        self._span = lines.span(debugger.pc)
        self._frame = Frame.of(debugger)
        self._called_from: int | None = None
        self._steps = 0
        self._run = self._next_part(debugger)

    def _next_part(self, debugger: Debuggee) -> Run:
        instruction = instruction_at(debugger)
        if self._into and instruction.kind & Kind.CALL:
            self._called_from = debugger.pc + instruction.length
            return StepRun(debugger, Step())
        self._called_from = None
        return _over(debugger, instruction)

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        if not isinstance(stop, StepDone):
            return stop
        self._run.abandon(debugger)
        self._steps += 1
        return self._after_part(debugger)

    def _after_part(self, debugger: Debuggee) -> Stop | None:
        pc = debugger.pc
        inside = self._span is not None and self._span[0] <= pc < self._span[1]
        back = self._called_from
        if back is not None and pc != back and not self._lines.enters(pc):
            self._called_from = None
            self._run = ToPlaceRun(debugger, back, self._frame_outside(debugger))
            return None
        if (not inside and (self._lines.is_start(pc) or self._lines.span(pc) is None)) or self._steps > MAX_LINE_STEPS:
            return StepDone()
        self._run = self._next_part(debugger)
        return None

    def _frame_outside(self, debugger: Debuggee) -> Frame:
        inner = Frame.of(debugger)
        return replace(inner, rsp=inner.rsp + 1)

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)


def back_over(debugger: Debuggee, enters: Callable[[int], bool] = lambda _: False) -> Stop:
    """One instruction back; if that returned from a call or system call, back to before the call.

    Not if it returned from a call of code that `enters` is true of.
    """
    frame, pc, context = Frame.of(debugger), debugger.pc, current_context(debugger.engine)
    stop = _back_one(debugger)
    instruction = instruction_at(debugger)
    if not isinstance(stop, StepDone) or not instruction.kind & _RETURNS:
        return stop
    if instruction.kind & _KERNEL_RETURNS:
        call = _system_call_before(debugger, pc, context) if context.cpl == USER else None
        return back_to(debugger, [call], Same(context).reached) if call is not None else stop
    if not calls_to(debugger, pc) or current_context(debugger.engine).rsp >= frame.rsp or enters(debugger.pc):
        return stop
    return back_to_call(debugger, pc, frame.rsp - _popped(instruction))


def _system_call_before(debugger: Debuggee, pc: int, context: Context) -> int | None:
    """The address of the SYSCALL or INT 80h that ends at `pc`, in the caller's address space."""
    code = debugger.linear(context.memory).read_prefix(Linear((pc - 2) % (1 << 64)), 2)
    return pc - 2 if code in (b"\x0f\x05", b"\xcd\x80") else None


def _back_one(debugger: Debuggee) -> Stop:
    return BackwardStepRun(debugger, Step(Direction.BACKWARD)).slice(debugger, 0) or StepDone()


def _popped(instruction: Instruction) -> int:
    """Bytes of arguments that a return takes off the stack: of RET imm16, whose number is signless."""
    return int.from_bytes(instruction.raw[-2:], "little") if instruction.operands else 0


class BackwardRun:
    """A backward step of whatever kind, `times` over, one in each slice."""

    def __init__(self, step: Callable[[Debuggee], Stop], times: int = 1) -> None:
        self._step = step
        self._left = times

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._step(debugger)
        self._left -= 1
        return stop if self._left <= 0 or not isinstance(stop, StepDone) else None

    def abandon(self, debugger: Debuggee) -> None:
        """Nothing is left behind."""


def back_line(debugger: Debuggee, lines: Lines, *, into: bool) -> Stop:
    """Back to the beginning of the line that ran before this one (or of this one, if we stand inside it)."""
    enters = lines.enters if into else lambda _: False
    stop = back_over(debugger, enters)
    for _ in range(MAX_LINE_STEPS):
        if not isinstance(stop, StepDone) or debugger.interrupt_wanted:
            return stop
        span = lines.span(debugger.pc)
        if span is None or debugger.pc == span[0] or lines.is_start(debugger.pc):
            return stop
        stop = back_over(debugger, enters)
    return stop


class ToKindRun:
    """Over calls, to the next instruction of these kinds in the same context."""

    def __init__(self, debugger: Debuggee, kinds: Kind) -> None:
        self._kinds = kinds
        self._run = over_or_step(debugger)

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        for _ in range(SLICE_STEPS):
            stop = self._run.slice(debugger, budget)
            if not isinstance(stop, StepDone):
                return stop
            self._run.abandon(debugger)
            instruction = instruction_at(debugger)
            if instruction.kind & self._kinds or debugger.interrupt_wanted:
                return stop
            self._run = _over(debugger, instruction)
        return None

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)


def back_to_kind(debugger: Debuggee, kinds: Kind) -> Stop:
    """Back to the last instruction of these kinds: over calls if it is no return that is looked for."""
    back = _back_one if kinds & Kind.RETURN else back_over
    stop = back(debugger)
    while isinstance(stop, StepDone) and not instruction_at(debugger).kind & kinds and not debugger.interrupt_wanted:
        stop = back(debugger)
    return stop
