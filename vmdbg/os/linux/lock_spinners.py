"""Who spins for a lock, and for which: CPUs in the functions that do nothing else (kernel/locking/).

The lock is what the function was called with, and the registers that still have it are found in its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.lock_words import TYPES, LockKind
from vmdbg.os.seam import Frame
from vmdbg.units import Linear
from vmdbg.x86.kept_argument import kept_argument
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel
    from vmdbg.os.linux.unwind import Unwinder

ARGUMENT = "rdi"
MAX_FUNCTION = 1 << 16
_SPINS = ("native_queued_spin_lock_slowpath", "queued_spin_lock_slowpath", "__pv_queued_spin_lock_slowpath")
_QUEUE = "osq_lock"
_RWLOCK_WAIT = 4
"""Where in a rwlock the spinlock is of those who wait for their turn (include/asm-generic/qrwlock_types.h)."""


@dataclass(frozen=True, slots=True)
class Spin:
    """What a CPU spins for; `address` None where it cannot be told."""

    kind: LockKind
    address: Linear | None
    wants: str
    function: str


_FUNCTIONS = {
    **dict.fromkeys(_SPINS, (LockKind.SPINLOCK, "")),
    "queued_read_lock_slowpath": (LockKind.RWLOCK, "read"),
    "queued_write_lock_slowpath": (LockKind.RWLOCK, "write"),
    "mutex_spin_on_owner": (LockKind.MUTEX, ""),
    "rwsem_spin_on_owner": (LockKind.RWSEM, ""),
}
_CALLERS = (("__mutex_lock", LockKind.MUTEX), ("__ww_mutex_lock", LockKind.MUTEX), ("rwsem_", LockKind.RWSEM))
"""Who has others spin in a queue for the lock that `osq` is a part of."""


def spins_for(kernel: Kernel, frames: Sequence[Frame]) -> Spin | None:
    """What the CPU whose stack this is spins for, or did when an interrupt came; None if it spins for nothing."""
    for frame, caller in zip(frames, (*frames[1:], None), strict=True):
        name = _name(frame)
        if name in _FUNCTIONS:
            kind, wants = _FUNCTIONS[name]
            outer = _FUNCTIONS.get(_name(caller)) if caller is not None else None
            address = _argument(kernel, frame)
            if outer is not None and outer[0] is LockKind.RWLOCK:
                (kind, wants), address = outer, _less(address, _RWLOCK_WAIT)
            return Spin(kind, address, wants, name)
        if name == _QUEUE and caller is not None:
            for start, kind in _CALLERS:
                if _name(caller).startswith(start):
                    offset = kernel.type(TYPES[kind]).offset_of("osq")
                    return Spin(kind, _less(_argument(kernel, frame), offset), "", name)
    return None


@dataclass(frozen=True, slots=True)
class Spinner:
    """A CPU that spins, Linux's number of it, and the address of the task that it runs."""

    cpu: int
    task: int
    spin: Spin


def spinners(kernel: Kernel, unwinder: Unwinder) -> Iterator[Spinner]:
    """Of all CPUs that Linux uses."""
    for cpu, task in kernel.running.items():
        view = kernel.processors.views.get(cpu)
        if view is None:
            continue
        spin = spins_for(kernel, unwinder.current(kernel.object("struct task_struct", task), view).frames)
        if spin is not None:
            yield Spinner(cpu, task, spin)


def _name(frame: Frame | None) -> str:
    return frame.location.symbol.name if frame is not None and frame.location is not None else ""


def _less(address: Linear | None, offset: int) -> Linear | None:
    return None if address is None else Linear(address - offset)


def _argument(kernel: Kernel, frame: Frame) -> Linear | None:
    """Of a frame whose registers are all known."""
    if frame.location is None or not frame.is_exact:
        return None
    symbol = frame.location.symbol
    try:
        code = kernel.memory.read(symbol.address, min(symbol.size, MAX_FUNCTION))
    except UnmappedLinearError:
        return None
    for name in sorted(kept_argument(code, symbol.address, ARGUMENT).get(frame.pc, ())):
        if name in frame.registers:
            return Linear(frame.registers[name])
    return None
