"""Backtraces of running and sleeping tasks: by ORC, else by frame pointers, else by searching the stack."""

from __future__ import annotations

import struct
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.kallsyms import KERNEL_HALF
from vmdbg.os.linux.orc import FRAME_POINTER, Base, Entry, OrcTables, Shape
from vmdbg.os.linux.retpolines import is_retpoline, return_address_at
from vmdbg.os.linux.stacks import Stack, processor_stacks, task_stack
from vmdbg.os.seam import Backtrace, CallFrames, CpuView, Frame, FrameKind
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_FRAMES = 256
MAX_GUESSES = 32
IRQ_OR_TASK = 16384
GUARD = 4096
"""Bytes below a stack that nothing is mapped at: where one that has overflowed points."""
_REGISTERS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "rflags", "rsp", "ss",
)  # fmt: skip
_PT_REGS = struct.Struct(f"<{len(_REGISTERS)}Q")
_IRET = struct.Struct("<5Q")
_FRED_PADDING = 16
_GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rip")
_MASK = 0xFFFF_FFFF_FFFF_FFFF


class UnwindError(Exception):
    """Why a step could not be taken."""


@dataclass(slots=True)
class State:
    """Where the unwinder is. `exact` pcs were interrupted; others are return addresses, behind a call."""

    registers: dict[str, int]
    kind: FrameKind
    exact: bool
    frames: list[Frame] = field(default_factory=list)

    @property
    def pc(self) -> int:
        return self.registers["rip"]

    @property
    def sp(self) -> int:
        return self.registers["rsp"]


class Unwinder:
    """Unwinds in one kernel at one instant."""

    def __init__(self, kernel: Kernel, tables: OrcTables | None, call_frames: CallFrames | None = None) -> None:
        self._kernel = kernel
        self._call_frames = call_frames
        self.tables = tables
        self._stacks = processor_stacks(kernel)
        self._task_stack = Stack("?", 0, 0)

    def current(self, task: Value, cpu: CpuView) -> Backtrace:
        """From the registers of the CPU that runs it on."""
        registers = {name: cpu.register(name) for name in _GENERAL}
        if registers["rip"] == _system_call_entry(cpu) and not cpu.register("cpl") & 3:
            return self._entered(registers)
        return self._run(task, State(registers, FrameKind.CURRENT, exact=True), bool(cpu.register("cpl") & 3))

    def _entered(self, registers: dict[str, int]) -> Backtrace:
        """At the instruction where SYSCALL comes in: on no stack of the kernel's, with all registers the caller's."""
        state = State(registers, FrameKind.CURRENT, exact=True)
        self._add(state)
        state.registers = registers | {"rip": registers["rcx"], "orig_rax": registers["rax"]}
        state.kind = FrameKind.USER
        self._add(state)
        return Backtrace(tuple(state.frames), True, "")

    def interrupted(self, task: Value, registers: dict[str, int]) -> Backtrace:
        """From a `pt_regs` that an exception saved."""
        return self._run(task, State(dict(registers), FrameKind.INTERRUPTED, exact=True), bool(registers["cs"] & 3))

    def saved_registers(self, address: int) -> dict[str, int]:
        """A `struct pt_regs` by the processor's names."""
        raw = self._kernel.read(address, _PT_REGS.size)
        return dict(zip(_REGISTERS, _PT_REGS.unpack(raw), strict=True))

    def system_call_registers(self, task: Value) -> dict[str, int]:
        """The `pt_regs` at the top of a task's stack: how it last entered the kernel from user space."""
        top = task_stack(task).end - _PT_REGS.size
        padded = self.saved_registers(top - _FRED_PADDING)
        return padded if padded["cs"] & 3 == 3 and padded["ss"] & 3 == 3 else self.saved_registers(top)

    def sleeping(self, task: Value) -> Backtrace:
        """From where it was switched out (struct inactive_task_frame, arch/x86/include/asm/switch_to.h)."""
        sp = int(task.thread.sp)
        type_ = self._kernel.type("struct inactive_task_frame")
        frame = self._kernel.object("struct inactive_task_frame", sp)
        names = {"bp": "rbp", "bx": "rbx", "ret_addr": "rip"}
        registers = {names.get(member.name, member.name): int(frame.member_(member.name)) for member in type_.members}
        registers["rsp"] = sp + type_.size
        fresh = self._kernel.table.nearest(registers["rip"])
        exact = fresh is not None and fresh.symbol.name.startswith("ret_from_fork") and not fresh.offset
        return self._run(task, State(registers, FrameKind.SWITCHED_OUT, exact), user=False)

    def _run(self, task: Value, state: State, user: bool) -> Backtrace:
        self._task_stack = task_stack(task)
        if user:
            state.kind = FrameKind.USER
            self._add(state)
            return Backtrace(tuple(state.frames), True, "")
        seen = set()
        try:
            while len(state.frames) < MAX_FRAMES:
                if (state.pc, state.sp) in seen:
                    raise UnwindError(f"the stack at {state.sp:#x} leads back to itself")
                seen.add((state.pc, state.sp))
                self._add(state)
                if state.kind is FrameKind.USER or not self._step(state):
                    return Backtrace(tuple(state.frames), True, "")
            raise UnwindError(f"more than {MAX_FRAMES} frames")
        except UnmappedLinearError as error:
            reason = f"the stack cannot be read at {error.address:#x}"
        except UnwindError as error:
            reason = str(error)
        return Backtrace(tuple(state.frames), False, reason)

    def _add(self, state: State) -> None:
        pc = state.pc if state.exact else state.pc - 1
        location = self._kernel.symbols.nearest(pc)
        if location is not None and not state.exact:
            location = type(location)(location.symbol, location.offset + 1)
        frame = Frame(
            len(state.frames),
            Linear(state.pc),
            Linear(state.sp),
            location,
            state.kind,
            "user" if state.kind is FrameKind.USER else self.stack_name(state.sp),
            copy(state.registers),
            is_exact=state.exact,
        )
        state.frames.append(frame)

    def stack_name(self, sp: int) -> str:
        """Which stack an address lies on; its very end counts as well."""
        for stack in (self._task_stack, *self._stacks):
            if sp in stack or sp - 1 in stack:
                return stack.name
        return "?"

    def _step(self, state: State) -> bool:
        """To the caller; False at the outermost frame."""
        if self._call_frames is not None:
            found = self._call_frames.caller(state.registers, is_exact=state.exact)
            if found is not None:
                state.registers, state.exact = found
                state.kind = FrameKind.CALL
                return bool(state.registers)
        pc = state.pc if state.exact else state.pc - 1
        entry = self.tables.find(pc) if self.tables else None
        if entry is None:
            return self._without_table(state)
        if entry.shape is Shape.END_OF_STACK:
            return False
        if entry.shape is Shape.UNDEFINED:
            self._leave_retpoline(state, pc)
        else:
            self._apply(state, entry)
        return True

    def _leave_retpoline(self, state: State, pc: int) -> None:
        found = self._kernel.symbols.nearest(pc)
        place = None
        if state.exact and found is not None and is_retpoline(found.symbol.name):
            place = return_address_at(pc, state.sp, self._kernel.read)
        if place is None or not self._is_code(caller := self._word(place)):
            raise UnwindError(f"the kernel's tables do not say how to leave {pc:#x}")
        kept = {"rbp": state.registers["rbp"]} if "rbp" in state.registers else {}
        state.registers = {"rip": caller, "rsp": place + 8, **kept}
        state.kind, state.exact = FrameKind.CALL, False

    def _apply(self, state: State, entry: Entry) -> None:
        sp = self._previous_sp(state.registers, entry)
        before = state.registers
        if entry.shape is Shape.CALL:
            state.registers = {"rip": self._word(sp - 8), "rsp": sp}
            state.kind, state.exact = FrameKind.CALL, False
        else:
            partial = entry.shape is Shape.REGISTERS_PARTIAL
            state.registers = self._iret_frame(sp) if partial else self.saved_registers(sp)
            from_user = bool(state.registers["cs"] & 3)
            state.kind = FrameKind.USER if from_user else FrameKind.INTERRUPTED
            state.exact = True
        bp = self._previous_bp(before, entry, sp)
        if bp is not None:
            state.registers.setdefault("rbp", bp)

    def _previous_sp(self, registers: dict[str, int], entry: Entry) -> int:
        base = entry.sp_base
        if base == Base.SP_INDIRECT:
            return self._word(registers["rsp"]) + entry.sp_offset & _MASK
        names = {
            Base.SP: "rsp", Base.BP: "rbp", Base.BP_INDIRECT: "rbp", Base.R10: "r10", Base.R13: "r13",
            Base.DI: "rdi", Base.DX: "rdx",
        }  # fmt: skip
        name = names.get(base) if base is not None else None
        if name is None or name not in registers:
            raise UnwindError(f"{name or 'a register'} is not known at {registers['rip']:#x}")
        if base in (Base.SP, Base.BP):
            return int(registers[name] + entry.sp_offset & _MASK)
        if base == Base.BP_INDIRECT:
            return self._word(registers[name] + entry.sp_offset & _MASK)
        return int(registers[name])

    def _previous_bp(self, before: dict[str, int], entry: Entry, sp: int) -> int | None:
        if entry.bp_base == Base.PREVIOUS_SP:
            return self._word(sp + entry.bp_offset & _MASK)
        if entry.bp_base == Base.BP and "rbp" in before:
            return self._word(before["rbp"] + entry.bp_offset & _MASK)
        return before.get("rbp")

    def _iret_frame(self, address: int) -> dict[str, int]:
        rip, cs, rflags, rsp, ss = _IRET.unpack(self._kernel.read(address, _IRET.size))
        return {"rip": rip, "cs": cs, "rflags": rflags, "rsp": rsp, "ss": ss}

    def _word(self, address: int) -> int:
        return self._kernel.memory.u64(address)

    # without tables

    def _without_table(self, state: State) -> bool:
        """A frame pointer that points up this stack at a return address; else the next one that is found."""
        bp = state.registers.get("rbp", 0)
        try:
            if state.sp <= bp < state.sp + IRQ_OR_TASK and self._is_code(self._word(bp + 8)):
                self._apply(state, FRAME_POINTER)
                return True
        except UnmappedLinearError:
            pass
        guesses = sum(1 for frame in state.frames if frame.kind is FrameKind.GUESS)
        if guesses < MAX_GUESSES and self._is_code(state.pc) | (not guesses):
            stacks = (self._task_stack, *self._stacks)
            stack = next((s for s in stacks if s.start - GUARD <= state.sp < s.end), None)
            for address in range(max(state.sp & ~7, stack.start), stack.end, 8) if stack else ():
                word = self._word(address)
                if self._is_code(word):
                    state.registers = {"rip": word, "rsp": address + 8}
                    state.kind, state.exact = FrameKind.GUESS, False
                    return True
        raise UnwindError(f"no unwind table covers {state.pc:#x} and nothing on the stack looks like a return address")

    def _is_code(self, address: int) -> bool:
        if address < KERNEL_HALF:
            return False
        found = self._kernel.symbols.nearest(address)
        return found is not None and found.symbol.is_code


def _system_call_entry(cpu: CpuView) -> int | None:
    """Not every view knows MSRs: dumps of other machines do not."""
    try:
        return cpu.register("lstar")
    except KeyError:
        return None
