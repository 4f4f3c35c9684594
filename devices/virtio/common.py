"""The common configuration structure of the PCI transport. Source: virtio 1.2, 4.1.4.3, 2.1 and 3.1."""

from __future__ import annotations

import struct
from typing import Protocol

from devices.virtio import registers as reg
from devices.virtio.function import VirtioFunction
from devices.virtio.personality import Personality
from devices.virtio.registers import Status
from devices.virtio.virtqueue import NO_VECTOR, QueueState

_LAYOUT = struct.Struct("<IIIIHHBBHHHHHQQQ")
_DWORD = 0xFFFF_FFFF
_QUEUE_ADDRESSES = {reg.QUEUE_DESC: "descriptors", reg.QUEUE_DRIVER: "driver", reg.QUEUE_DEVICE: "device"}


class Settings(Protocol):
    """What a driver sets: devices.virtio.transport.TransportState."""

    status: int
    device_feature_select: int
    driver_feature_select: int
    driver_features: int
    config_vector: int
    queue_select: int
    queues: list[QueueState]


class Configured(Protocol):
    """Whose structure it is: devices.virtio.transport.Transport."""

    features: int
    function: VirtioFunction
    personality: Personality

    @property
    def state(self) -> Settings: ...

    def reset(self) -> None: ...


class Common:
    """Reads of any size are of the bytes as they are; writes are of whole fields, or of halves of 64-bit ones."""

    def __init__(self, transport: Configured) -> None:
        self._transport = transport

    def read(self, offset: int, size: int) -> int:
        return int.from_bytes(self._bytes()[offset : offset + size], "little")

    def _bytes(self) -> bytes:
        state, queue = self._transport.state, self._queue
        word = 32 * state.device_feature_select
        offered = self._transport.features >> word & _DWORD if word < 64 else 0
        word = 32 * state.driver_feature_select
        taken = state.driver_features >> word & _DWORD if word < 64 else 0
        shown = queue or QueueState(0)
        return _LAYOUT.pack(
            state.device_feature_select, offered, state.driver_feature_select, taken,
            state.config_vector, len(state.queues), state.status, 0,
            state.queue_select, shown.size, shown.vector, shown.enabled, state.queue_select if queue else 0,
            shown.descriptors, shown.driver, shown.device,
        )  # fmt: skip

    @property
    def _queue(self) -> QueueState | None:
        state = self._transport.state
        return state.queues[state.queue_select] if state.queue_select < len(state.queues) else None

    def write(self, offset: int, size: int, value: int) -> None:
        state = self._transport.state
        match offset, size:
            case reg.DEVICE_FEATURE_SELECT, 4:
                state.device_feature_select = value
            case reg.DRIVER_FEATURE_SELECT, 4:
                state.driver_feature_select = value
            case reg.DRIVER_FEATURE, 4:
                self._accept(value)
            case reg.CONFIG_VECTOR, 2:
                state.config_vector = self._vector(value)
            case reg.DEVICE_STATUS, 1:
                self._set_status(value)
            case reg.QUEUE_SELECT, 2:
                state.queue_select = value
            case _ if self._queue is not None:
                self._write_queue(self._queue, offset, size, value)

    def _accept(self, value: int) -> None:
        """Features are settled once FEATURES_OK is set (3.1.1)."""
        state = self._transport.state
        shift = 32 * state.driver_feature_select
        if shift < 64 and not state.status & Status.FEATURES_OK:
            state.driver_features = state.driver_features & ~(_DWORD << shift) | value << shift

    def _set_status(self, value: int) -> None:
        transport, state = self._transport, self._transport.state
        if value == 0:
            transport.reset()
            return
        features = state.driver_features
        if features & ~transport.features or not features & reg.VERSION_1:
            value &= ~Status.FEATURES_OK
        state.status |= int(value & ~Status.NEEDS_RESET)

    def _vector(self, value: int) -> int:
        """What a driver reads back says whether there is such a message (4.1.5.1.2)."""
        table = self._transport.function.table
        return value if table is not None and value < table.vectors else NO_VECTOR

    def _write_queue(self, queue: QueueState, offset: int, size: int, value: int) -> None:
        """A queue that is enabled stays where it is (4.1.4.3.2)."""
        if (offset, size) == (reg.QUEUE_VECTOR, 2):
            queue.vector = self._vector(value)
        elif queue.enabled:
            return
        elif (offset, size) == (reg.QUEUE_SIZE, 2):
            most = self._transport.personality.kind.queues[self._transport.state.queue_select]
            queue.size = value if 0 < value <= most and not value & value - 1 else queue.size
        elif (offset, size) == (reg.QUEUE_ENABLE, 2):
            queue.enabled = value == 1
        else:
            self._place(queue, offset, size, value)

    def _place(self, queue: QueueState, offset: int, size: int, value: int) -> None:
        name = _QUEUE_ADDRESSES.get(offset & ~7)
        shift = 8 * (offset & 7)
        if name is not None and (size, shift) in ((8, 0), (4, 0), (4, 32)):
            mask = (1 << 8 * size) - 1 << shift
            setattr(queue, name, getattr(queue, name) & ~mask | value << shift)
