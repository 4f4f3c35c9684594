"""What a Linux kernel writes down for crash tools: a text of symbols, sizes and offsets, laid out at boot."""

from __future__ import annotations

from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import DamagedError, NotThereYetError

MAX_VMCOREINFO = 1 << 16


@guarded("VMCOREINFO")
def vmcoreinfo(linux: Linux) -> bytes:
    """The text as the kernel has it. Raises NotThereYetError before it is laid out, DamagedError."""
    kernel = linux.kernel
    address = kernel.memory.u64(kernel.symbol("vmcoreinfo_data"))
    size = kernel.memory.u64(kernel.symbol("vmcoreinfo_size"))
    if not address or not size:
        raise NotThereYetError("VMCOREINFO")
    if size > MAX_VMCOREINFO:
        raise DamagedError("VMCOREINFO", address)
    return kernel.read(address, size)
