"""The stacks of the kernel: of tasks, of hard interrupts, and those that the IST names.

arch/x86/include/asm/cpu_entry_area.h, arch/x86/kernel/dumpstack_64.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.types import NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.os.linux.symbols import NoSuchSymbolError
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

THREAD_SIZE = 16384
IRQ_STACK_SIZE = 16384
_MAX_CPUS = 64


@dataclass(frozen=True, slots=True)
class Stack:
    """[start, end) of linear memory; it grows down from `end`."""

    name: str
    start: int
    end: int

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end


def task_stack(task: Value) -> Stack:
    """The stack on which a task runs in the kernel."""
    start = int(task.stack)
    return Stack("task", start, start + THREAD_SIZE)


def processor_stacks(kernel: Kernel) -> list[Stack]:
    """Interrupt, exception and entry stacks of each processor, as far as they are set up."""
    found: list[Stack] = []
    online = kernel.processors.online
    for cpu in online[:_MAX_CPUS]:
        suffix = f" {cpu}" if len(online) > 1 else ""
        for part in (_interrupt_stack, _exception_stacks):
            try:
                found += [Stack(s.name + suffix, s.start, s.end) for s in part(kernel, cpu)]
            except (NoSuchSymbolError, NoSuchTypeError, UnmappedLinearError):
                continue
    return found


def _interrupt_stack(kernel: Kernel, cpu: int) -> list[Stack]:
    if kernel.has_symbol("pcpu_hot") and kernel.types.variable("pcpu_hot"):
        top = int(kernel.per_cpu("pcpu_hot", cpu).hardirq_stack_ptr)
    else:
        top = kernel.memory.u64(kernel.per_cpu_address("hardirq_stack_ptr", cpu))
    top = (top + 15) & ~15
    return [Stack("IRQ", top - IRQ_STACK_SIZE, top)] if top else []


def entry_area(kernel: Kernel, cpu: int) -> int:
    """The address of a processor's `struct cpu_entry_area`, 0 before it is set up."""
    stacks = kernel.memory.u64(kernel.per_cpu_address("cea_exception_stacks", cpu))
    return stacks - kernel.type("struct cpu_entry_area").offset_of("estacks") if stacks else 0


def _exception_stacks(kernel: Kernel, cpu: int) -> list[Stack]:
    area_type, stacks_type = kernel.type("struct cpu_entry_area"), kernel.type("struct cea_exception_stacks")
    base = kernel.memory.u64(kernel.per_cpu_address("cea_exception_stacks", cpu))
    if not base:
        return []
    found = []
    for member in stacks_type.members:
        if member.name.endswith("_stack"):
            start = base + (member.bit_offset >> 3)
            size = stacks_type.at(member.type).size
            if size:
                found.append(Stack(member.name.removesuffix("_stack"), start, start + size))
    area = entry_area(kernel, cpu)
    entry = area + area_type.offset_of("entry_stack_page")
    found.append(Stack("entry", entry, entry + 4096))
    return found
