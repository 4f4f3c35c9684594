"""virtio-console with one port: characters both ways, many at once. Source: virtio 1.2, 5.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import BusMaster, DeviceInput, Rows
from devices.serial.backend import Backend
from devices.virtio.chain import Chain
from devices.virtio.personality import Kind
from devices.virtio.transport import Transport, TransportState

DEVICE = 3
RECEIVE, TRANSMIT = 0, 1
QUEUE = 64
MOST = 1 << 16
"""Bytes of one chain that are taken; a driver with more in it loses the rest."""
BASE, CHARACTER = 20_000, 100
"""Nanoseconds of a request, and of each character in it."""


@dataclass(frozen=True, slots=True)
class VirtioConsoleOptions:
    """There is nothing to choose."""


@dataclass(frozen=True, slots=True)
class ConsoleInput:
    """Bytes that are typed at a virtio console."""

    device: str
    data: bytes


@dataclass(slots=True)
class VirtioConsoleState:
    transport: TransportState
    waiting: bytes = b""
    """What was typed and the driver has given no room for yet."""


class VirtioConsole:
    """What the guest sends goes to `output`, what is typed comes as ConsoleInput."""

    title = "virtio console"
    State: ClassVar[type[VirtioConsoleState]] = VirtioConsoleState
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (ConsoleInput,)

    def __init__(self, slot: Slot, output: Backend) -> None:
        self.name = slot.name
        self.kind = Kind(DEVICE, 0x078000, (QUEUE, QUEUE), 0)
        self._output = output
        self._waiting = b""
        self._transport = Transport(slot, self)
        self.function = self._transport.function

    def config(self) -> bytes:
        """Size, ports and emergency output are for features that are not offered: they read as zero."""
        return bytes(12)

    def write_config(self, offset: int, data: bytes) -> None:
        """Emergency output is not offered."""

    def reset(self) -> None:
        """What was typed waits for the next driver."""

    def take(self, data: ConsoleInput, now: int) -> None:
        self._waiting += data.data
        self._transport.kick(RECEIVE, now)

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int | None:
        if queue == TRANSMIT:
            return BASE + CHARACTER * min(chain.readable_size, MOST)
        return BASE + CHARACTER * self._room(chain) if self._waiting else None

    def _room(self, chain: Chain) -> int:
        return min(chain.writable_size, len(self._waiting), MOST)

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        if queue == TRANSMIT:
            for character in chain.read(memory, 0, MOST, "console output"):
                self._output.transmit(character, now)
            return 0
        size = self._room(chain)
        chain.write(memory, 0, self._waiting[:size], "console input")
        self._waiting = self._waiting[size:]
        return size

    def on_event(self, name: str, now: int) -> None:
        self._transport.on_event(name, now)

    def save(self) -> VirtioConsoleState:
        return VirtioConsoleState(self._transport.save(), self._waiting)

    def restore(self, state: VirtioConsoleState) -> None:
        self._transport.restore(state.transport)
        self._waiting = state.waiting

    def describe(self, now: int) -> Rows:
        return [("waiting", f"{len(self._waiting)} bytes"), *self._transport.rows()]


def _fit(slot: Slot, options: VirtioConsoleOptions) -> VirtioConsole:
    return VirtioConsole(slot, slot.debug_output)


FITTING = Fitting("virtio-console", VirtioConsole.title, VirtioConsoleOptions, _fit, (ConsoleInput,), pci=True)
