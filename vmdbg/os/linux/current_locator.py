"""The current task in three reads of physical memory, for conditions that are evaluated at every hit.

Good for the whole life of a boot: where the per-CPU pointer is, and how the kernel maps its data, do not change.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.memory import IMAGE_START
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import CurrentTask, NotThereYetError, ReadRegister
from vmdbg.units import Linear, Physical
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel


@dataclass(frozen=True, slots=True)
class CurrentLocator:
    """vmdbg.os.seam.CurrentLocator. Each of `pointers` holds the address of the task that a CPU runs.

    They are by where the CPU's GDT is; that of a single CPU is by 0.

    Offsets are those in `struct task_struct`.

    `direct_map` and `image` are what to take off a linear address of data, or of the kernel's image.
    """

    pointers: Mapping[int, Physical]
    direct_map: int
    image: int
    pid: int
    process: int
    name: int

    def read(self, memory: PhysicalMemory, register: ReadRegister) -> CurrentTask | None:
        """None before there is one, where memory contradicts itself, and on a CPU that Linux does not run on."""
        address = self.address(memory, register)
        return None if address is None else self.task(memory, address)

    def address(self, memory: PhysicalMemory, register: ReadRegister) -> int | None:
        """That of its `struct task_struct`."""
        pointer = self._pointer(register)
        if pointer is None:
            return None
        try:
            (address,) = struct.unpack("<Q", memory.read(pointer, 8))
        except UnmappedPhysicalError:
            return None
        return int(address)

    def _pointer(self, register: ReadRegister) -> Physical | None:
        if len(self.pointers) == 1:
            return next(iter(self.pointers.values()))
        return self.pointers.get(register("gdtr_base"))

    def task(self, memory: PhysicalMemory, address: int) -> CurrentTask | None:
        """The task whose `struct task_struct` is at a linear address; None where memory contradicts itself."""
        try:
            base = self.physical(address)
            pid, process = (
                int.from_bytes(memory.read(Physical(base + offset), 4), "little", signed=True)
                for offset in (self.pid, self.process)
            )
            name = memory.read(Physical(base + self.name), 16).partition(b"\0")[0].decode("utf-8", "replace")
        except UnmappedPhysicalError:
            return None
        return CurrentTask(Linear(address), pid, process, name)

    def physical(self, address: int) -> Physical:
        """Of the kernel's image or what its direct map maps."""
        return Physical(address - (self.image if address >= IMAGE_START else self.direct_map))


@guarded("current task")
def current_locator(kernel: Kernel) -> CurrentLocator:
    """Raises `NotThereYetError` before the kernel set up its per-CPU data.

    Until then it makes do with a copy in its own image, which it leaves (arch/x86/kernel/setup_percpu.c).
    """
    first, *_ = kernel.processors.possible
    if kernel.current_task_pointer(first) >= IMAGE_START:
        raise NotThereYetError("per-CPU data")
    pointers, is_alone = {}, len(kernel.processors.possible) == 1
    for cpu in kernel.processors.possible:
        pointer = kernel.memory.translate(kernel.current_task_pointer(cpu))
        if pointer is None:
            raise NotThereYetError("current task")
        pointers[0 if is_alone else kernel.processors.table(cpu)] = Physical(pointer)
    image, text = kernel.memory.translate(kernel.symbol("_text")), kernel.symbol("_text")
    direct_map = kernel.memory.u64(kernel.symbol("page_offset_base"))
    if image is None or not direct_map:
        raise NotThereYetError("current task")
    task = kernel.type("struct task_struct")
    pid, process, name = (task.offset_of(path) for path in ("pid", "tgid", "comm"))
    return CurrentLocator(pointers, direct_map, text - image, pid, process, name)
