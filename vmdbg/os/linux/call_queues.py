"""What CPUs ask of one another by CALL_FUNCTION interrupts: the functions that wait in a CPU's call_single_queue.

Both interrupts have their CPU carry out all of its queue, so at the acknowledge it holds what they are for.

Source: kernel/smp.c (__flush_smp_call_function_queue()), include/linux/smp_types.h, arch/x86/mm/tlb.c of 5.10 to 7.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vmdbg.c.types import NoSuchTypeError
from vmdbg.os.linux.current_locator import CurrentLocator
from vmdbg.os.seam import ReadRegister
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import LinearMemory, UnmappedLinearError
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

VECTORS = frozenset({0xFB, 0xFC})
"""CALL_FUNCTION_SINGLE and CALL_FUNCTION (arch/x86/include/asm/irq_vectors.h)."""
_QUEUE = "call_single_queue"
_ENTRY = "struct __call_single_data"
_TYPE = 0xF0
_WAKE_UP = 0x30
_FLUSHES = ("flush_tlb_func", "flush_tlb_func_remote", "do_kernel_range_flush")
"""Whose argument is a `struct flush_tlb_info`."""
_WHOLE_FLUSH = "do_flush_tlb_all"
_ALL = (1 << 64) - 1
_MOST = 256
"""Entries of a queue that are looked at."""

Else = TypeVar("Else", int, int | None)


@dataclass(frozen=True, slots=True)
class Called:
    """A function that a CPU is to run, with its argument; or with `woken`, the name and PID, a task that is to be put
    on its run queue. `flushed` are the linear addresses that go from the TLB: those of all processes have no end.
    """

    function: Linear
    argument: int = 0
    flushed: tuple[Linear, int] | None = None
    woken: str = ""


@dataclass(frozen=True, slots=True)
class CallQueues:
    """Where they are. Good for the whole life of a boot; it can be sent to another process.

    `queues` are the list heads by where the CPU's GDT is; that of a single CPU is by 0. `root` is the physical address
    of the kernel's own page tables. `flags`, `function` and `argument` are offsets in an entry, `wake` is that of a
    task's entry. `flushes` are functions that flush a range, `first` and `end` where their argument has it.
    """

    queues: Mapping[int, Linear]
    root: int
    tasks: CurrentLocator
    flags: int
    function: int
    argument: int
    wake: int | None
    flushes: frozenset[int]
    whole_flush: int | None
    first: int
    end: int

    def waiting(self, memory: PhysicalMemory, register: ReadRegister) -> tuple[Called, ...]:
        """What the CPU with these registers is to run, in order; as far as it can be read."""
        queue = next(iter(self.queues.values())) if len(self.queues) == 1 else self.queues.get(register("gdtr_base"))
        if queue is None:
            return ()
        cr0, cr4, efer = (register(name) for name in ("cr0", "cr4", "efer"))
        linear = LinearMemory(memory, Paging(cr0, self.root, cr4, efer))
        found: list[Called] = []
        seen: set[int] = set()
        with suppress(UnmappedLinearError, UnmappedPhysicalError):
            entry = _integer(linear, queue, 8)
            while entry and entry not in seen and len(seen) < _MOST:
                seen.add(entry)
                found.append(self._called(memory, linear, entry))
                entry = _integer(linear, entry, 8)
        return tuple(reversed(found))

    def _called(self, memory: PhysicalMemory, linear: LinearMemory, entry: int) -> Called:
        if _integer(linear, entry + self.flags, 4) & _TYPE == _WAKE_UP and self.wake is not None:
            task = self.tasks.task(memory, entry - self.wake)
            return Called(Linear(0), woken=f"{task.name} ({task.pid})" if task is not None else "a task")
        function = _integer(linear, entry + self.function, 8)
        argument = _integer(linear, entry + self.argument, 8)
        return Called(Linear(function), argument, self._flushed(linear, function, argument))

    def _flushed(self, linear: LinearMemory, function: int, info: int) -> tuple[Linear, int] | None:
        if function == self.whole_flush:
            return Linear(0), _ALL
        if function not in self.flushes or not info:
            return None
        with suppress(UnmappedLinearError, UnmappedPhysicalError):
            return Linear(_integer(linear, info + self.first, 8)), _integer(linear, info + self.end, 8)
        return None


def _integer(memory: LinearMemory, address: int, size: int) -> int:
    return int.from_bytes(memory.read(Linear(address & _ALL), size), "little")


def flush_words(flushed: tuple[Linear, int]) -> str:
    """What goes from the TLB: a range, or everything of an address space or of all."""
    first, end = flushed
    return "all" if end == _ALL else f"{first:#x}-{end:#x}"


def call_queues(kernel: Kernel, locator: CurrentLocator) -> CallQueues | None:
    """None for a kernel that has none, for it is of one CPU."""
    if not kernel.has_symbol(_QUEUE):
        return None
    root = kernel.memory.translate(kernel.symbol("init_top_pgt"))
    if root is None:
        return None
    possible = kernel.processors.possible
    queues = {
        0 if len(possible) == 1 else kernel.processors.table(cpu): Linear(kernel.per_cpu_address(_QUEUE, cpu))
        for cpu in possible
    }
    return CallQueues(
        queues,
        root,
        locator,
        flags=8,
        function=_offset(kernel, _ENTRY, "func", 16),
        argument=_offset(kernel, _ENTRY, "info", 24),
        wake=_offset(kernel, "struct task_struct", "wake_entry", None),
        flushes=frozenset(found for name in _FLUSHES if (found := kernel.table.find(name)) is not None),
        whole_flush=kernel.table.find(_WHOLE_FLUSH),
        first=_offset(kernel, "struct flush_tlb_info", "start", 8),
        end=_offset(kernel, "struct flush_tlb_info", "end", 16),
    )


def _offset(kernel: Kernel, spelling: str, path: str, otherwise: Else) -> int | Else:
    """`otherwise` where types do not tell."""
    with suppress(NoSuchTypeError, AttributeError, KeyError):
        found = kernel.type(spelling)
        return found.offset_of(path) if found.has(path) else otherwise
    return otherwise
