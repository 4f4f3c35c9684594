"""Runs inside LLDB, not here: gives it `guest-call FUNCTION(ARGUMENT, ...)`.

LLDB's `expression` calls no function of a program without an operating system that LLDB knows: it has nowhere to put
the code that it would compile (DynamicLoaderStatic turns that off, before a packet is sent). This does what gdb does:
sets the registers, lets the guest run to a breakpoint at the return address, and puts the registers back. Integers and
pointers only. docs/gdb.md has the line that loads it.
"""

from __future__ import annotations

import re
from typing import Any

import lldb  # type: ignore[import-untyped,import-not-found,unused-ignore]  # only LLDB has it

IN_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
WHY = "process plugin packet monitor tick"
"""What vmdbg has refused is said with the next answer to a monitor command."""
BELOW = 256
"""Bytes of the stack that are left alone: a red zone is shorter."""


def vmdbg_call(debugger: Any, command: str, context: Any, result: Any, _session: Any) -> None:
    """guest-call FUNCTION(ARGUMENT, ...): call a function of the guest by hand, and show what it returns."""
    match = re.fullmatch(r"\s*(.+?)\s*\((.*)\)\s*", command, re.DOTALL)
    if match is None or not context.frame.IsValid():
        result.SetError("guest-call wants FUNCTION(ARGUMENT, ...), and a process that stands")
        return
    try:
        function = value_of(context.frame, match[1])
        arguments = [value_of(context.frame, text) for text in arguments_of(match[2])]
        result.AppendMessage(called(debugger, context, function, arguments))
    except ValueError as error:
        result.SetError(str(error))


def arguments_of(text: str) -> list[str]:
    """Cut at the commas that stand in no parentheses, brackets or quotes."""
    parts, depth, quoted = [""], 0, ""
    for letter in text:
        if letter in "\"'":
            quoted = "" if quoted == letter else quoted or letter
        elif not quoted:
            depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def value_of(frame: Any, expression: str) -> int:
    """Raises ValueError."""
    value = frame.EvaluateExpression(expression)
    if not value.GetError().Success():
        raise ValueError(f"{expression.strip()}: {value.GetError().GetCString()}")
    address = value.GetType().IsFunctionType() and value.AddressOf()
    return int((address or value).GetValueAsUnsigned())


def called(debugger: Any, context: Any, function: int, arguments: list[int]) -> str:
    """Let the guest run through the function. Raises ValueError."""
    thread, process, target = context.thread, context.process, context.target
    frame = thread.GetFrameAtIndex(0)
    size = target.GetAddressByteSize()
    names = ("rip", "rsp", "rax") if size == 8 else ("eip", "esp", "eax")
    saved = [(register.name, hex(register.GetValueAsUnsigned())) for register in kept(frame)]
    top = (frame.FindRegister(names[1]).GetValueAsUnsigned() - BELOW) & ~15
    on_stack = [] if size == 8 else arguments
    top = (top - len(on_stack) * size & ~15) - size  # aligned before the return address was pushed (System V ABI)
    back = top + BELOW // 2
    words = [back, *on_stack]
    data = b"".join(word.to_bytes(size, "little") for word in words)
    error = lldb.SBError()
    if process.WriteMemory(top, data, error) != len(data):
        said = lldb.SBCommandReturnObject()
        debugger.GetCommandInterpreter().HandleCommand(WHY, said)
        refused = "".join(line for line in said.GetOutput().splitlines() if line.startswith("refused: "))
        raise ValueError(f"the stack cannot be written: {refused or error.GetCString()}")
    in_registers = list(zip(IN_REGISTERS, arguments, strict=False)) if size == 8 else []
    for name, value in [*in_registers, (names[1], top), (names[0], function)]:
        write(frame, name, hex(value))
        frame = thread.GetFrameAtIndex(0)
    point = target.BreakpointCreateByAddress(back)
    was_async = debugger.GetAsync()
    debugger.SetAsync(False)
    try:
        process.Continue()
    finally:
        debugger.SetAsync(was_async)
        target.BreakpointDelete(point.GetID())
    frame = thread.GetFrameAtIndex(0)
    if frame.GetPC() != back:
        raise ValueError(f"stopped at {frame.GetPC():#x}, inside the function: it returns to {back:#x}")
    returned = frame.FindRegister(names[2]).GetValueAsUnsigned()
    for name, value in saved:
        write(thread.GetFrameAtIndex(0), name, value)
    flush = f"register write {names[0]} {dict(saved)[names[0]]}"  # unlike the API it has LLDB unwind anew
    debugger.GetCommandInterpreter().HandleCommand(flush, lldb.SBCommandReturnObject())
    return f"{returned:#x} ({returned})"


def kept(frame: Any) -> list[Any]:
    """The registers that are put back: those that a function may change."""
    sets = [group for group in frame.GetRegisters() if "general" in group.GetName().lower()]
    return [register for group in sets for register in group if register.GetValue() is not None]


def write(frame: Any, name: str, value: str) -> None:
    error = lldb.SBError()
    if not frame.FindRegister(name).SetValueFromCString(value, error):
        raise ValueError(f"{name} cannot be written: {error.GetCString()}")


import __main__  # noqa: E402 - where LLDB looks for it

__main__.vmdbg_call = vmdbg_call
lldb.debugger.HandleCommand("command script add --overwrite --function vmdbg_call guest-call")
