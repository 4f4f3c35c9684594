"""What a lock's own words say: whether it is had, by whom, by how many (kernel/locking/).

A mutex and an rw_semaphore that is had for writing name their owner. One that is had for reading names the last reader
that came, who may be gone while others are not. A spinlock, a rwlock and a semaphore name nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

_MUTEX_FLAGS = 7
_RWSEM_FLAGS = 7
_READER_OWNED = 1
_WRITER_LOCKED = 1
_READER_SHIFT = 8
_COUNT_SIGN = 1 << 63
_RWLOCK_WRITER = 0xFF
_RWLOCK_READER_SHIFT = 9
_SPINLOCK_LOCKED = 0xFF
_RT_FLAGS = 3


class LockKind(Enum):
    """By the names that programs use."""

    SPINLOCK = "spinlock"
    RWLOCK = "rwlock"
    MUTEX = "mutex"
    RWSEM = "rwsem"
    SEMAPHORE = "semaphore"
    RT_MUTEX = "rt_mutex"


TYPES = {
    LockKind.MUTEX: "struct mutex",
    LockKind.RWSEM: "struct rw_semaphore",
    LockKind.SEMAPHORE: "struct semaphore",
}


@dataclass(frozen=True, slots=True)
class LockWords:
    """`owner` is the address of the task that has it, 0 where none is named: then `readers` have it, or `is_held` by
    somebody, or nobody has it. `last_reader` is the address of who was the last to come as a reader, if that is kept.
    """

    is_held: bool
    owner: int = 0
    readers: int = 0
    last_reader: int = 0


def lock_words(kernel: Kernel, kind: LockKind, address: Linear) -> LockWords:
    """Raises UnmappedLinearError."""
    match kind:
        case LockKind.MUTEX:
            return _owned(int(_lock(kernel, kind, address).owner.counter) & ~_MUTEX_FLAGS)
        case LockKind.RWSEM:
            return _rwsem(_lock(kernel, kind, address))
        case LockKind.RT_MUTEX:
            return _owned(int(kernel.object(_rt_mutex(kernel), address).owner) & ~_RT_FLAGS)
        case LockKind.SEMAPHORE:
            return LockWords(not int(_lock(kernel, kind, address).count))
        case LockKind.RWLOCK:
            word = kernel.memory.u32(address)
            return LockWords(bool(word), readers=word >> _RWLOCK_READER_SHIFT)
        case LockKind.SPINLOCK:
            return LockWords(bool(kernel.memory.u32(address) & _SPINLOCK_LOCKED))


def owner_place(kernel: Kernel, kind: LockKind, address: Linear) -> Linear:
    """Where a lock of a kind that names its owner does so."""
    type_ = kernel.type(_rt_mutex(kernel) if kind is LockKind.RT_MUTEX else TYPES[kind])
    return Linear(address + type_.offset_of("owner"))


def _rt_mutex(kernel: Kernel) -> str:
    return "struct rt_mutex_base" if kernel.types.has("struct rt_mutex_base") else "struct rt_mutex"


def _lock(kernel: Kernel, kind: LockKind, address: Linear) -> Value:
    return kernel.object(TYPES[kind], address)


def _owned(owner: int) -> LockWords:
    owner &= (1 << 64) - 1
    return LockWords(bool(owner), owner)


def _rwsem(lock: Value) -> LockWords:
    count, owner = int(lock.count.counter) & (1 << 64) - 1, int(lock.owner.counter) & (1 << 64) - 1
    if count & _WRITER_LOCKED:
        return _owned(owner & ~_RWSEM_FLAGS)
    readers = 0 if count & _COUNT_SIGN else count >> _READER_SHIFT
    last = owner & ~_RWSEM_FLAGS if readers and owner & _READER_OWNED else 0
    return LockWords(bool(readers), readers=readers, last_reader=last)
