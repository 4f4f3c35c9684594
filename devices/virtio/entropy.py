"""virtio-rng: random numbers that are the same in every run. Source: virtio 1.2, 5.4."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import BusMaster, Rows
from devices.virtio.chain import Chain
from devices.virtio.personality import Kind
from devices.virtio.transport import Transport, TransportState

DEVICE = 4
QUEUE = 8
MOST = 1 << 12
"""Bytes of one answer; a driver takes what it gets."""
BASE = 20_000
"""Nanoseconds of a request, and one more for each byte."""


@dataclass(frozen=True, slots=True)
class VirtioRngOptions:
    """`seed`: another one gives other numbers."""

    seed: int = 0


@dataclass(slots=True)
class VirtioRngState:
    transport: TransportState
    answers: int = 0


class VirtioRng:
    """Answer n is SHAKE-128 of the seed and n: nothing of the host is in it."""

    title = "virtio random numbers, from a seed"
    State: ClassVar[type[VirtioRngState]] = VirtioRngState

    def __init__(self, slot: Slot, seed: int) -> None:
        self.name = slot.name
        self.kind = Kind(DEVICE, 0x00FF00, (QUEUE,), 0)
        self._seed = seed
        self._answers = 0
        self._transport = Transport(slot, self)
        self.function = self._transport.function

    def config(self) -> bytes:
        return b""

    def write_config(self, offset: int, data: bytes) -> None:
        """There is no device configuration."""

    def reset(self) -> None:
        """The numbers go on where they were."""

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int:
        return BASE + min(chain.writable_size, MOST)

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        size = min(chain.writable_size, MOST)
        data = hashlib.shake_128(f"{self._seed} {self._answers}".encode()).digest(size)
        self._answers += 1
        chain.write(memory, 0, data, "random numbers")
        return size

    def on_event(self, name: str, now: int) -> None:
        self._transport.on_event(name, now)

    def save(self) -> VirtioRngState:
        return VirtioRngState(self._transport.save(), self._answers)

    def restore(self, state: VirtioRngState) -> None:
        self._transport.restore(state.transport)
        self._answers = state.answers

    def describe(self, now: int) -> Rows:
        return [("seed", str(self._seed)), ("answers", str(self._answers)), *self._transport.rows()]


def _fit(slot: Slot, options: VirtioRngOptions) -> VirtioRng:
    return VirtioRng(slot, options.seed)


FITTING = Fitting("virtio-rng", VirtioRng.title, VirtioRngOptions, _fit, pci=True)
