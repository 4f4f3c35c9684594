"""The current task in three reads of physical memory, for conditions that are evaluated at every hit.

Good for the whole life of a boot: where the per-CPU pointer is, and how the kernel maps its data, do not change.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.memory import IMAGE_START
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import CurrentTask, NotThereYetError
from vmdbg.units import Linear, Physical
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel


@dataclass(frozen=True, slots=True)
class CurrentLocator:
    """vmdbg.os.seam.CurrentLocator. `pointer` holds the address of the current task.

    Offsets are those in `struct task_struct`.

    `direct_map` and `image` are what to take off a linear address of data, or of the kernel's image.
    """

    pointer: Physical
    direct_map: int
    image: int
    pid: int
    process: int
    name: int

    def read(self, memory: PhysicalMemory) -> CurrentTask | None:
        """None before there is one, and where memory contradicts itself."""
        try:
            (address,) = struct.unpack("<Q", memory.read(self.pointer, 8))
        except UnmappedPhysicalError:
            return None
        return self.task(memory, address)

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
    """Of the first processor. Raises `NotThereYetError` before the kernel set up its per-CPU data.

    Until then it makes do with a copy in its own image, which it leaves (arch/x86/kernel/setup_percpu.c).
    """
    if kernel.current_task_pointer() >= IMAGE_START:
        raise NotThereYetError("per-CPU data")
    pointer = kernel.memory.translate(kernel.current_task_pointer())
    image, text = kernel.memory.translate(kernel.symbol("_text")), kernel.symbol("_text")
    direct_map = kernel.memory.u64(kernel.symbol("page_offset_base"))
    if pointer is None or image is None or not direct_map:
        raise NotThereYetError("current task")
    task = kernel.type("struct task_struct")
    pid, process, name = (task.offset_of(path) for path in ("pid", "tgid", "comm"))
    return CurrentLocator(Physical(pointer), direct_map, text - image, pid, process, name)
