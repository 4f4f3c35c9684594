"""The names that prompts and scripts get for a Linux guest: `current().mm.pgd`, `task(1).comm`, `sizeof(...)`."""

from __future__ import annotations

from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.os.linux import tasks, trees, walks
from vmdbg.os.linux.kernel import Kernel
from vmdbg.os.linux.types import Type

Named = str | Type


class Namespace:
    """Functions over one instant of a guest. Types may be given by their C spelling."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def _type(self, named: Named) -> Type:
        return named if isinstance(named, Type) else self._kernel.type(named)

    def current(self, cpu: int | None = None) -> Value:
        """The `struct task_struct` that a processor runs; None: the one that is looked at."""
        return self._kernel.current_task(None if cpu is None else self._kernel.processors.checked(cpu))

    def task(self, pid: int) -> Value:
        """The `struct task_struct` of a thread. Raises `UserError` if there is none."""
        return tasks.find_task(self._kernel, pid)

    def threads(self) -> list[Value]:
        """Every `struct task_struct`, the idle task first."""
        return list(tasks.task_values(self._kernel))

    def typed(self, named: Named, where: int | str) -> Value:
        """The object of a type at an address or at a symbol: `typed("struct list_head", "modules")`."""
        address = self._kernel.symbol(where) if isinstance(where, str) else int(where)
        return Value(self._kernel, self._type(named), address)

    def type_of(self, named: Named) -> Type:
        return self._type(named)

    def sizeof(self, named: Named | Value) -> int:
        """In bytes."""
        return named.type_.size if isinstance(named, Value) else self._type(named).size

    def offsetof(self, named: Named, path: str) -> int:
        """In bytes: `offsetof("struct task_struct", "se.sum_exec_runtime")`."""
        return self._type(named).offset_of(path)

    def container_of(self, member: Value | int, named: Named, path: str) -> Value:
        """The object around a member, or around what a pointer or an address points to."""
        type_ = self._type(named)
        if isinstance(member, Value):
            return member.container_of_(type_, path)
        return Value(self._kernel, type_, int(member) - type_.offset_of(path))

    def cast(self, named: Named, value: Value | int) -> Value:
        """As C's: `cast("struct file *", rdi)`."""
        if isinstance(value, Value):
            return value.cast_(self._type(named))
        return Value(self._kernel, self._type(named), number=int(value))

    def entries(self, head: Value, named: Named, path: str) -> list[Value]:
        """The elements of a `struct list_head`."""
        return list(walks.list_entries(_object(head), self._type(named), path))

    def hash_entries(self, head: Value, named: Named, path: str) -> list[Value]:
        """The elements of a `struct hlist_head`."""
        return list(walks.hlist_entries(_object(head), self._type(named), path))

    def tree_entries(self, root: Value, named: Named, path: str) -> list[Value]:
        """The elements of a `struct rb_root` or `rb_root_cached`, in order."""
        return list(walks.rb_entries(_object(root), self._type(named), path))

    def xarray(self, array: Value) -> list[tuple[int, int]]:
        """(index, entry) of a `struct xarray`."""
        return list(trees.xarray_entries(self._kernel, _object(array)))

    def maple(self, tree: Value) -> list[tuple[int, int, int]]:
        """(first, last, entry) of a `struct maple_tree`."""
        return list(trees.maple_entries(self._kernel, _object(tree)))

    def per_cpu(self, name: str, cpu: int | None = None, named: str = "") -> Value:
        """A per-CPU variable of one processor; None: of the one that is looked at."""
        return self._kernel.per_cpu(name, cpu, named)

    def is_per_cpu(self, name: str, address: int) -> bool:
        """Whether that is what the kernel has at the symbol's address, and each CPU has one of its own."""
        table = self._kernel.table
        found = table.find(name)
        return found is not None and address - found in (0, table.slide) and self._kernel.is_per_cpu(name)

    def per_cpu_address(self, name: str) -> int:
        """Where the CPU that is looked at has its own."""
        return self._kernel.per_cpu_address(name, self._kernel.cpu)

    def enumerator(self, name: str) -> Value | None:
        """None for what is none of the kernel's."""
        found = self._kernel.types.enumerator(name)
        return None if found is None else Value(self._kernel, found[0], number=found[1])

    def variable(self, name: str) -> Value:
        """A global variable whose type is known: `variable("init_task").comm`."""
        return self._kernel[name]


def _object(value: Value) -> Value:
    """The object itself, where a pointer to it is given."""
    if value.address_ is not None and value.type_.size != 8:
        return value
    try:
        return value.dereference_()
    except UserError:
        return value
