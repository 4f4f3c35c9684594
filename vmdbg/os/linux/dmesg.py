"""The kernel's log, read from its ring buffer (kernel/printk/printk_ringbuffer.h, 5.10 on)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import DamagedError, NotThereYetError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

_STATE_SHIFT = 62
_ID_MASK = (1 << _STATE_SHIFT) - 1
_COMMITTED, _FINALIZED = 1, 2
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One message. `timestamp` is the kernel's, in nanoseconds; `level` 0 (emergency) to 7 (debug)."""

    sequence: int
    timestamp: int
    level: int
    facility: int
    text: str

    def __str__(self) -> str:
        seconds, rest = divmod(self.timestamp, NANOSECONDS)
        stamp = f"[{seconds:5}.{rest // 1000:06}] "
        return "\n".join(stamp + line for line in self.text.split("\n"))


@guarded("kernel log")
def dmesg(kernel: Kernel) -> tuple[LogRecord, ...]:
    """All records still in the buffer, the oldest first."""
    address = kernel.memory.u64(kernel.symbol("prb"))
    if not address:
        raise NotThereYetError("kernel log")
    ring = _Ring(kernel, kernel.object("struct printk_ringbuffer", address))
    found = []
    position, last = ring.tail, ring.head
    if last - position & _ID_MASK > ring.count:
        raise DamagedError("kernel log", address)
    while True:
        record = ring.record(position)
        if record is not None:
            found.append(record)
        if position == last:
            return tuple(found)
        position = position + 1 & _ID_MASK


class _Ring:
    def __init__(self, kernel: Kernel, value: Value) -> None:
        self._kernel = kernel
        descriptors, text = value.desc_ring, value.text_data_ring
        bits, text_bits = int(descriptors.count_bits), int(text.size_bits)
        if not 1 <= bits <= 20 or not 6 <= text_bits <= 28:
            raise DamagedError("kernel log", value.address_ or 0)
        self.count = 1 << bits
        self.head = int(descriptors.head_id.counter) & _ID_MASK
        self.tail = int(descriptors.tail_id.counter) & _ID_MASK
        self._text_size = 1 << text_bits
        self._text = kernel.read(int(text.data), self._text_size)
        one, info = kernel.type("struct prb_desc"), kernel.type("struct printk_info")
        self._one_size, self._info_size = one.size, info.size
        self._descriptors = kernel.read(int(descriptors.descs), self.count * one.size)
        self._infos = kernel.read(int(descriptors.infos), self.count * info.size)
        self._state = one.offset_of("state_var")
        self._begin = one.offset_of("text_blk_lpos.begin")
        self._offsets = tuple(info.offset_of(name) for name in ("seq", "ts_nsec", "text_len", "facility"))
        self._level = info.field("level").bit_offset

    def record(self, identity: int) -> LogRecord | None:
        index = identity % self.count
        base = index * self._one_size
        (state,) = struct.unpack_from("<Q", self._descriptors, base + self._state)
        if state & _ID_MASK != identity or state >> _STATE_SHIFT not in (_COMMITTED, _FINALIZED):
            return None
        begin, end = struct.unpack_from("<QQ", self._descriptors, base + self._begin)
        base = index * self._info_size
        sequence, stamp = (struct.unpack_from("<Q", self._infos, base + at)[0] for at in self._offsets[:2])
        (length,) = struct.unpack_from("<H", self._infos, base + self._offsets[2])
        facility = self._infos[base + self._offsets[3]]
        level = self._infos[base + (self._level >> 3)] >> (self._level & 7) & 7
        return LogRecord(sequence, stamp, level, facility, self._text_of(begin, end, length))

    def _text_of(self, begin: int, end: int, length: int) -> str:
        """A block starts with its record's id; one that would wrap starts again at the ring's beginning."""
        if begin & 1:
            return ""
        size = self._text_size
        start = begin % size if begin // size == (end - 1) // size else 0
        return self._text[start + 8 : start + 8 + length].decode("utf-8", "replace")
