"""A split virtqueue, the device's side. Source: virtio 1.2, 2.7.

What the rings hold is read when it is needed and never trusted. All methods are for deadlines of the scheduler:
they reach memory.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from devices.seam import BusMaster
from devices.virtio.chain import Chain, RingError, read_chain, read_chains

WRAP = 0xFFFF
NO_INTERRUPT = 1
NO_VECTOR = 0xFFFF
NOTHING = -1
_ENTRY = struct.Struct("<II").pack
"""Of the used ring: the head of a chain, and how many bytes were written into it."""
_USED = 8


@dataclass(slots=True)
class QueueState:
    """The addresses are physical. `busy` is the head of the chain that is worked at, NOTHING for none."""

    size: int
    enabled: bool = False
    vector: int = NO_VECTOR
    descriptors: int = 0
    driver: int = 0
    device: int = 0
    taken: int = 0
    """How many chains were taken from the available ring, modulo 65536; `returned` likewise to the used ring."""
    returned: int = 0
    busy: int = NOTHING
    submitted: int = 0
    """When the device took the chain that it works at."""


class Virtqueue:
    """`event_index`: VIRTIO_F_EVENT_IDX was negotiated."""

    def __init__(self, state: QueueState, memory: BusMaster, *, event_index: bool) -> None:
        self.state = state
        self._memory = memory
        self._event_index = event_index

    def next_head(self) -> int | None:
        """The chain that is next in the available ring, which stays there; None for an empty ring. RingError."""
        state = self.state
        waiting = self._word(state.driver + 2) - state.taken & WRAP
        if waiting > state.size:
            raise RingError(f"{waiting} chains in a ring of {state.size}")
        return self._word(state.driver + 4 + 2 * (state.taken % state.size)) if waiting else None

    def chain(self, head: int) -> Chain:
        """Raises RingError."""
        return read_chain(self._memory.read, self.state.descriptors, self.state.size, head)

    def chains(self, heads: Sequence[int]) -> list[Chain]:
        """Several. Raises RingError."""
        return read_chains(self._memory, self.state.descriptors, self.state.size, heads)

    def take(self, head: int, now: int) -> None:
        self.state.taken = self.state.taken + 1 & WRAP
        self.state.busy, self.state.submitted = head, now

    def put_back(self) -> None:
        """What was taken is in the available ring again, as the next."""
        self.state.taken = self.state.taken - 1 & WRAP
        self.state.busy = NOTHING

    def heads(self, most: int) -> list[int]:
        """Up to so many chains that are next in the available ring, and stay there until finish(). Raises RingError."""
        state = self.state
        waiting = self._word(state.driver + 2) - state.taken & WRAP
        if waiting > state.size:
            raise RingError(f"{waiting} chains in a ring of {state.size}")
        count, first = min(waiting, most), state.taken % state.size
        if not count:
            return []
        straight = min(count, state.size - first)
        words = self._memory.read(state.driver + 4 + 2 * first, 2 * straight, "available ring")
        if straight < count:
            words += self._memory.read(state.driver + 4, 2 * (count - straight), "available ring")
        return list(struct.unpack(f"<{count}H", words))

    def finish(self, used: Sequence[tuple[int, int]]) -> bool:
        """The next chains of the available ring are done, each with how many bytes were written: the driver sees all at
        once. Returns whether it wants an interrupt.
        """
        state = self.state
        state.taken = state.taken + len(used) & WRAP
        first = state.returned % state.size
        straight = _USED * min(len(used), state.size - first)
        entries = b"".join([_ENTRY(head, written) for head, written in used])
        self._memory.write(state.device + 4 + _USED * first, entries[:straight], "used ring")
        if straight < len(entries):
            self._memory.write(state.device + 4, entries[straight:], "used ring")
        return self._publish(len(used))

    def ask_for_notice(self, seen: int = 0) -> None:
        """The driver is to say when it adds to the ring, of which `seen` chains are known and left there (2.7.10)."""
        if self._event_index:
            self._put_word(self.state.device + 4 + 8 * self.state.size, self.state.taken + seen & WRAP)

    def give_back(self, head: int, written: int) -> bool:
        """The chain into the used ring. Returns whether the driver wants an interrupt for it (2.7.7.2, 2.7.10)."""
        at = self.state.device + 4 + _USED * (self.state.returned % self.state.size)
        self._memory.write(at, _ENTRY(head, written), "used ring")
        self.state.busy = NOTHING
        return self._publish(1)

    def _publish(self, count: int) -> bool:
        """So many entries more are in the used ring; whether the driver wants an interrupt for them."""
        state = self.state
        before, state.returned = state.returned, state.returned + count & WRAP
        self._put_word(state.device + 2, state.returned)
        if self._event_index:
            wanted = self._word(state.driver + 4 + 2 * state.size)
            return (state.returned - wanted - 1 & WRAP) < (state.returned - before & WRAP)
        return not self._word(state.driver) & NO_INTERRUPT

    def _word(self, address: int) -> int:
        return int.from_bytes(self._memory.read(address, 2, "available ring"), "little")

    def _put_word(self, address: int, value: int) -> None:
        self._memory.write(address, value.to_bytes(2, "little"), "used ring")
