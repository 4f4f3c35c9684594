"""A Linux kernel at one instant: its symbols, types and objects."""

from __future__ import annotations

from functools import cached_property

from vmdbg.c.types import NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.os.linux.btf import Btf
from vmdbg.os.linux.memory import KernelMemory
from vmdbg.os.linux.modules import module_btf, module_symbols
from vmdbg.os.linux.processors import Processors
from vmdbg.os.linux.symbols import KernelTable, LinuxSymbols
from vmdbg.os.linux.type_lookup import Types
from vmdbg.os.linux.types import Type
from vmdbg.os.seam import GuestView, NotThereYetError
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

GLOBALS = {
    "init_task": "struct task_struct",
    "init_mm": "struct mm_struct",
    "init_uts_ns": "struct uts_namespace",
    "init_nsproxy": "struct nsproxy",
    "init_pid_ns": "struct pid_namespace",
    "init_net": "struct net",
    "modules": "struct list_head",
    "super_blocks": "struct list_head",
    "slab_caches": "struct list_head",
    "jiffies": "unsigned long",
    "jiffies_64": "u64",
    "linux_banner": "char [512]",
    "saved_command_line": "char *",
    "tainted_mask": "unsigned long",
    "root_task_group": "struct task_group",
}

PER_CPU = {
    "hrtimer_bases": "struct hrtimer_cpu_base",
    "timer_bases": "struct timer_base [2]",
    "irq_stat": "irq_cpustat_t",
    "current_task": "struct task_struct *",
    "runqueues": "struct rq",
}


class Kernel:
    """Everything is read when it is asked for, through the kernel's own page tables."""

    def __init__(self, view: GuestView, memory: KernelMemory, table: KernelTable, btf: Btf) -> None:
        self.view = view
        self.memory = memory
        self.table = table
        self.types = Types(btf)
        self.symbols = LinuxSymbols(table, lambda: module_symbols(self))
        self._types: dict[str, Type] = {}

    # the space that values live in

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def string(self, address: int, limit: int = 4096) -> str:
        return self.memory.string(address, limit)

    def describe(self, address: int) -> str:
        return self.symbols.describe(address)

    # objects

    def type(self, spelling: str) -> Type:
        """A type by its C spelling. Raises `NoSuchTypeError`."""
        found = self._types.get(spelling)
        if found is None:
            found = self._types[spelling] = self._find_type(spelling)
        return found

    def _find_type(self, spelling: str) -> Type:
        """Of the kernel; else of the first module that has it."""
        try:
            return self.types.find(spelling)
        except NoSuchTypeError:
            for types in self.module_types.values():
                if types.has(spelling):
                    return types.find(spelling)
            raise

    @cached_property
    def module_types(self) -> dict[str, Types]:
        """The types of each loaded module that brought some."""
        return {name: Types(btf) for name, btf in module_btf(self).items()}

    def symbol(self, name: str) -> Linear:
        """The address of one of the kernel's own symbols; what only newer or older kernels have raises
        `NoSuchSymbolError`."""
        return self.symbols.address_of(name)

    def has_symbol(self, name: str) -> bool:
        return self.table.find(name) is not None

    def object(self, spelling: str, where: str | int) -> Value:
        """The object of that type at an address or symbol."""
        address = self.symbol(where) if isinstance(where, str) else where
        return Value(self, self.type(spelling), address)

    def pointer(self, spelling: str, address: int) -> Value:
        """A pointer to a `spelling`."""
        return Value(self, self.type(spelling).pointer(), number=address)

    def __getitem__(self, name: str) -> Value:
        """A global variable of the kernel, if its type is known."""
        type_ = self.types.variable(name)
        if type_ is not None:
            return self.per_cpu(name) if self.is_per_cpu(name) else Value(self, type_, self.symbol(name))
        if name in PER_CPU:
            return self.per_cpu(name)
        spelling = GLOBALS.get(name)
        if spelling is None:
            raise _untyped(name)
        return self.object(spelling, name)

    # processors

    @cached_property
    def processors(self) -> Processors:
        return Processors(self)

    @property
    def cpu(self) -> int:
        """Linux's number of the CPU that is looked at. Raises `NotThereYetError` where it is not one of Linux's."""
        here = self.processors.here
        if here is None:
            raise NotThereYetError("Linux on the CPU that is looked at")
        return here

    def per_cpu_offset(self, cpu: int) -> int:
        """What to add to a per-CPU symbol."""
        return self.memory.u64(self.symbol("__per_cpu_offset") + 8 * cpu)

    def is_per_cpu(self, name: str) -> bool:
        """Whether each CPU has one of its own: the symbol has it in the image, or at an offset from there."""
        address = self.table.find(name)
        start, end = self.table.find("__per_cpu_start"), self.table.find("__per_cpu_end")
        if address is None or start is None or end is None or name.startswith("__per_cpu_"):
            return False
        return start <= address < end

    def per_cpu_address(self, name: str, cpu: int) -> int:
        return self.symbol(name) + self.per_cpu_offset(cpu) & 0xFFFF_FFFF_FFFF_FFFF

    def per_cpu(self, name: str, cpu: int | None = None, spelling: str = "") -> Value:
        """A per-CPU variable of one processor; None: of the one that is looked at."""
        cpu = self.cpu if cpu is None else self.processors.checked(cpu)
        type_ = self.type(spelling) if spelling else self.types.variable(name)
        if type_ is None and name not in PER_CPU:
            raise _untyped(name)
        return Value(self, type_ or self.type(PER_CPU[name]), self.per_cpu_address(name, cpu))

    def current_task_pointer(self, cpu: int) -> int:
        """Where a processor keeps the address of its current task: in `pcpu_hot` from 6.2 to 6.14."""
        if self.has_symbol("pcpu_hot") and self.types.variable("pcpu_hot"):
            return self.per_cpu("pcpu_hot", cpu).current_task.address_ or 0
        return self.per_cpu_address("current_task", cpu)

    def current_task(self, cpu: int | None = None) -> Value:
        """The `struct task_struct` that a processor runs; None: the one that is looked at."""
        cpu = self.cpu if cpu is None else cpu
        return self.object("struct task_struct", self.memory.u64(self.current_task_pointer(cpu)))

    @cached_property
    def running(self) -> dict[int, int]:
        """The address of the task that each processor which is online runs, as far as there is one."""
        found: dict[int, int] = {}
        for cpu in self.processors.online:
            try:
                task = self.memory.u64(self.current_task_pointer(cpu))
            except UnmappedLinearError:
                continue
            if task:
                found[cpu] = task
        return found


def _untyped(name: str) -> NoSuchTypeError:
    return NoSuchTypeError(f"the kernel does not say what type {name!r} has: use object('struct ...', {name!r})")
