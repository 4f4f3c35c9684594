"""What the rings of a queue hold, in words for who writes a driver. Nothing that they hold raises.

Source: virtio 1.2, 2.7 (split virtqueues).
"""

from __future__ import annotations

from devices.seam import BusMaster, Rows
from devices.virtio.chain import RingError, Segment, read_chain
from devices.virtio.virtqueue import NO_INTERRUPT, NOTHING, WRAP, QueueState

MOST_CHAINS = 8
"""Of those that wait, and of those that are done."""
MOST_SEGMENTS = 6


def ring_rows(name: str, state: QueueState, memory: BusMaster, *, event_index: bool) -> Rows:
    """Of an enabled queue: its available ring with the chains that wait there, the one that is worked at, and its used
    ring with the last ones that were given back. `name` is the queue's.
    """
    rings = _Rings(name, state, memory, event_index)
    return [*rings.available(), *rings.in_flight(), *rings.used()]


class _Rings:
    """As ring_rows() has them."""

    def __init__(self, name: str, state: QueueState, memory: BusMaster, event_index: bool) -> None:
        self._name = name
        self._state = state
        self._memory = memory
        self._event_index = event_index

    def available(self) -> Rows:
        state = self._state
        index = self._number(state.driver + 2)
        waiting = index - state.taken & WRAP
        asked = self._asked("interrupt", state.driver, "used", state.driver + 4 + 2 * state.size)
        if waiting > state.size:
            return [(f"{self._name} available", f"index {index}: {waiting} chains in a ring of {state.size}, {asked}")]
        rows = [(f"{self._name} available", f"index {index}, {waiting} waiting, {asked}")]
        for number in range(state.taken, state.taken + min(waiting, MOST_CHAINS)):
            head = self._number(state.driver + 4 + 2 * (number % state.size))
            rows.append((f"{self._name} available {number & WRAP}", self._chain(head)))
        if waiting > MOST_CHAINS:
            rows.append((f"{self._name} available, the rest", f"{waiting - MOST_CHAINS} chains"))
        return rows

    def in_flight(self) -> Rows:
        head = self._state.busy
        return [(f"{self._name} in flight", self._chain(head))] if head != NOTHING else []

    def used(self) -> Rows:
        state = self._state
        index = self._number(state.device + 2)
        asked = self._asked("notification", state.device, "available", state.device + 4 + 8 * state.size)
        overwritten = "" if index == state.returned else f" where the device has written {state.returned}"
        rows = [(f"{self._name} used", f"index {index}{overwritten}, {asked}")]
        for number in range(max(0, state.returned - min(MOST_CHAINS, state.size)), state.returned):
            at = state.device + 4 + 8 * (number % state.size)
            head, written = self._number(at, 4), self._number(at + 4, 4)
            rows.append((f"{self._name} used {number}", f"descriptor {head}, {written} bytes written"))
        return rows

    def _asked(self, what: str, flags: int, other: str, event: int) -> str:
        """When a ring's writer is to be told of entries of the other ring (2.7.7, 2.7.10)."""
        if self._event_index:
            return f"{what} at {other} {self._number(event)}"
        return f"no {what}s" if self._number(flags) & NO_INTERRUPT else f"{what}s"

    def _chain(self, head: int) -> str:
        state = self._state
        try:
            chain = read_chain(lambda at, size, _: self._memory.look(at, size), state.descriptors, state.size, head)
        except RingError as error:
            return f"descriptor {head}: {error}"
        parts = [*_segments("read", chain.readable), *_segments("write", chain.writable)]
        more = [f"and {len(parts) - MOST_SEGMENTS} more"] if len(parts) > MOST_SEGMENTS else []
        return f"descriptor {head}: " + ", ".join([*parts[:MOST_SEGMENTS], *more])

    def _number(self, address: int, size: int = 2) -> int:
        return int.from_bytes(self._memory.look(address, size), "little")


def _segments(verb: str, segments: tuple[Segment, ...]) -> list[str]:
    return [f"{verb} {length} at {address:x}" for address, length in segments]
