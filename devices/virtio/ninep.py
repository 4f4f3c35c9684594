"""virtio-9p: a folder of the host, mounted by its tag. Source: virtio 1.2, 5.11; the messages are devices.ninep's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Slot
from devices.ninep.session import LARGEST
from devices.ninep.unit import ShareUnit
from devices.seam import BusMaster, Rows
from devices.virtio.chain import Chain, RingError
from devices.virtio.personality import Kind
from devices.virtio.transport import Transport, TransportState

DEVICE = 9
QUEUE = 128
MOUNT_TAG = 1
HEADER = 7
BASE = 50_000
"""Nanoseconds of a request, and one more for each byte that it may move."""


@dataclass(slots=True)
class Virtio9pState:
    transport: TransportState


class Virtio9p:
    """The controller of a share; `start` is when the guest's clock began, in nanoseconds since 1970."""

    title = "virtio shared folder"
    State: ClassVar[type[Virtio9pState]] = Virtio9pState

    def __init__(self, slot: Slot, unit: ShareUnit, start: int) -> None:
        self.name = slot.name
        self._unit = unit
        self._start = start
        self.kind = Kind(DEVICE, 0x018000, (QUEUE,), MOUNT_TAG)
        self._transport = Transport(slot, self)
        self.function = self._transport.function

    def config(self) -> bytes:
        """5.11.4: the tag, with its length before it."""
        tag = self._unit.share.tag.encode()
        return len(tag).to_bytes(2, "little") + tag

    def write_config(self, offset: int, data: bytes) -> None:
        """The tag stays."""

    def reset(self) -> None:
        """What the driver had open is closed; what the guest has written stays."""
        self._unit.server.reset()

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int:
        if chain.readable_size < HEADER or chain.writable_size < HEADER:
            raise RingError("a message of 9P without a header, or without room for an answer")
        return BASE + min(chain.readable_size, LARGEST) + min(chain.writable_size, LARGEST)

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        """Raises MediumError, and nothing has changed."""
        if chain.readable_size < HEADER or chain.writable_size < HEADER:
            raise RingError("a message of 9P that has lost its header")
        request = chain.read(memory, 0, min(chain.readable_size, LARGEST), "9P request")
        answer = self._unit.server.answer(request, min(chain.writable_size, LARGEST), self._start + now)
        answer = answer[: chain.writable_size]
        chain.write(memory, 0, answer, "9P answer")
        return len(answer)

    def on_event(self, name: str, now: int) -> None:
        self._transport.on_event(name, now)

    def save(self) -> Virtio9pState:
        return Virtio9pState(self._transport.save())

    def restore(self, state: Virtio9pState) -> None:
        self._transport.restore(state.transport)

    def describe(self, now: int) -> Rows:
        return [("share", self._unit.name), ("tag", self._unit.share.tag), *self._transport.rows()]
