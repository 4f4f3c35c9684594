"""The PCI transport of a virtio device: what the driver reads and writes, and when requests are worked at.

Source: virtio 1.2, 4.1 (PCI), 3.1 (initialization), 2.1 (status). Requests of a queue are worked at one after the
other, each in two deadlines: one that looks at what it asks for and says how long it takes, and one that does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.copied import copied
from devices.fitting import Slot
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunctionState
from devices.pci.msi import Msix
from devices.seam import Rows
from devices.virtio import registers as reg
from devices.virtio.chain import RingError
from devices.virtio.common import Common
from devices.virtio.function import VirtioFunction, capabilities
from devices.virtio.personality import Personality, Streaming
from devices.virtio.registers import Isr, Status
from devices.virtio.ring_rows import ring_rows
from devices.virtio.virtqueue import NO_VECTOR, NOTHING, QueueState, Virtqueue

SHORTEST = 4_096
"""Nanoseconds from a notification to the device's first look, and what any request takes at least."""
LOOK, WORK = "look", "work"
_WORKING, _WORKING_MASK = int(Status.DRIVER_OK), int(Status.DRIVER_OK | Status.NEEDS_RESET)


@dataclass(slots=True)
class TransportState:
    function: PciFunctionState
    status: int = 0
    device_feature_select: int = 0
    driver_feature_select: int = 0
    driver_features: int = 0
    config_vector: int = NO_VECTOR
    queue_select: int = 0
    isr: int = 0
    queues: list[QueueState] = field(default_factory=list)


class Transport:
    """One for each device; `personality` is what the device is."""

    def __init__(self, slot: Slot, personality: Personality) -> None:
        self.personality = personality
        self._streaming = personality if isinstance(personality, Streaming) else None
        kind = personality.kind
        self.features = kind.features | reg.TRANSPORT_FEATURES
        self._memory = slot.bus_master()
        self._timer = slot.timer()
        numbers = range(len(kind.queues))
        self._deadlines = {f"{word} {number}": (word, number) for word in (LOOK, WORK) for number in numbers}
        self._common = Common(self)
        identity = Identity(reg.VENDOR, reg.DEVICE_BASE + kind.device, kind.class_code, 1, reg.VENDOR, 0x1100)
        self.function = VirtioFunction(
            slot,
            identity,
            bars={reg.BAR: Bar(Space.MEMORY32, reg.BAR_SIZE, self)},
            pin=Pin.INTA,
            capabilities=capabilities(len(personality.config())),
            msix=Msix(len(kind.queues) + 1, reg.MSIX_BAR),
            regions=self,
        )
        self.state = TransportState(self.function.save(), queues=self._fresh_queues())

    def _fresh_queues(self) -> list[QueueState]:
        return [QueueState(size) for size in self.personality.kind.queues]

    # what the driver reaches

    def read(self, offset: int, size: int, now: int) -> int:
        page, inside = divmod(offset, reg.REGION_SIZE)
        match page:
            case reg.COMMON_PAGE:
                return self._common.read(inside, size)
            case reg.ISR_PAGE:
                return self._read_isr() if inside == 0 else 0
            case reg.DEVICE_PAGE:
                return int.from_bytes(self.personality.config()[inside : inside + size], "little")
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        page, inside = divmod(offset, reg.REGION_SIZE)
        match page:
            case reg.COMMON_PAGE:
                self._common.write(inside, size, value)
            case reg.DEVICE_PAGE:
                self.personality.write_config(inside, value.to_bytes(size, "little"))
            case reg.NOTIFY_PAGE:
                if inside // reg.NOTIFY_MULTIPLIER < len(self.state.queues):
                    self.kick(inside // reg.NOTIFY_MULTIPLIER, now)

    def _read_isr(self) -> int:
        value, self.state.isr = self.state.isr, 0
        self.function.set_interrupt(False)
        return value

    def reset(self) -> None:
        """The driver writes 0 to the status: all is as it was at power-on, and nothing is under way (2.4)."""
        for number in range(len(self.state.queues)):
            self._timer.cancel(f"{LOOK} {number}")
            self._timer.cancel(f"{WORK} {number}")
        self.state = TransportState(self.state.function, queues=self._fresh_queues())
        self.function.set_interrupt(False)
        self.personality.reset()

    # requests

    def kick(self, number: int, now: int) -> None:
        """There may be something new in a queue."""
        if self.state.queues[number].busy == NOTHING and self.may_work(number):
            self._timer.schedule(f"{LOOK} {number}", now + SHORTEST)

    def may_work(self, number: int) -> bool:
        """Whether the driver has set the queue up, and all is well."""
        return self.state.status & _WORKING_MASK == _WORKING and self.state.queues[number].enabled

    def on_event(self, name: str, now: int) -> None:
        word, number = self._deadlines[name]
        try:
            if word == LOOK:
                self._look(number, now)
            else:
                self._work(number, now)
        except RingError:
            self.needs_reset()

    def _queue(self, number: int) -> Virtqueue:
        event_index = bool(self.state.driver_features & reg.EVENT_IDX)
        return Virtqueue(self.state.queues[number], self._memory, event_index=event_index)

    def _look(self, number: int, now: int) -> None:
        """At the next request, if there is one, and how long it takes."""
        if not self.may_work(number) or not self.function.bus_master:
            return
        queue = self._queue(number)
        if self._streaming is not None and number in self._streaming.streams:
            self._stream(self._streaming, number, queue, now)
            return
        head = queue.next_head()
        if head is None:
            queue.ask_for_notice()
            return
        duration = self.personality.begin(number, queue.chain(head), self._memory)
        if duration is not None:
            queue.take(head, now)
            self._timer.schedule(f"{WORK} {number}", now + max(duration, SHORTEST))

    def _work(self, number: int, now: int) -> None:
        """The request is done at this instant; then the next one is looked at."""
        queue = self._queue(number)
        if not self.may_work(number) or queue.state.busy == NOTHING:
            return
        if not self.function.bus_master:
            queue.put_back()
            return
        chain = queue.chain(queue.state.busy)
        written = self.personality.finish(number, chain, self._memory, queue.state.submitted, now)
        if queue.give_back(chain.head, written):
            self._interrupt(queue.state.vector, Isr.QUEUE)
        self._look(number, now)

    def _stream(self, streaming: Streaming, number: int, queue: Virtqueue, now: int) -> None:
        wanted, duration = streaming.stream(number, queue, self._memory, now)
        if wanted:
            self._interrupt(queue.state.vector, Isr.QUEUE)
        if duration is not None:
            self._timer.schedule(f"{LOOK} {number}", now + max(duration, SHORTEST))

    def serve(self, number: int, now: int) -> None:
        """In a deadline of others: a streaming queue is worked at, at this instant."""
        try:
            self._look(number, now)
        except RingError:
            self.needs_reset()

    def config_changed(self) -> None:
        """The device configuration reads as another: the driver is told."""
        if self.state.status & Status.DRIVER_OK:
            self._interrupt(self.state.config_vector, Isr.CONFIG)

    def needs_reset(self) -> None:
        """The rings make no sense: nothing is worked at until the driver resets the device (2.1.2)."""
        self.state.status |= int(Status.NEEDS_RESET)
        if self.state.status & Status.DRIVER_OK:
            self._interrupt(self.state.config_vector, Isr.CONFIG)

    def _interrupt(self, vector: int, cause: Isr) -> None:
        if self.function.msix_enabled:
            if vector != NO_VECTOR:
                self.function.notify(vector)
            return
        self.state.isr |= cause
        self.function.set_interrupt(True)

    # as a part of a device

    def save(self) -> TransportState:
        self.state.function = self.function.save()
        return copied(self.state)

    def restore(self, state: TransportState) -> None:
        self.state = copied(state)
        self.function.restore(state.function)

    def rows(self) -> Rows:
        state = self.state
        names = " ".join(flag.name.lower() for flag in Status if flag in Status(state.status) and flag.name)
        rows = [
            *function_rows(self.function),
            ("device status", f"{state.status:02x} {names or 'reset'}"),
            ("features", f"{self.features:x}, the driver takes {state.driver_features:x}"),
            ("interrupt status", f"{state.isr:02x}"),
        ]
        event_index = bool(state.driver_features & reg.EVENT_IDX)
        for number, queue in enumerate(state.queues):
            rows.append((f"queue {number}", _queue_text(queue)))
            if queue.enabled:
                rows += ring_rows(f"queue {number}", queue, self._memory, event_index=event_index)
        return rows


def _queue_text(queue: QueueState) -> str:
    if not queue.enabled:
        return f"off, {queue.size} entries"
    rings = f"descriptors {queue.descriptors:x}, driver {queue.driver:x}, device {queue.device:x}"
    counts = f"{queue.taken} taken, {queue.returned} returned"
    busy = f", works at {queue.busy} since {queue.submitted}" if queue.busy != NOTHING else ""
    vector = "no message" if queue.vector == NO_VECTOR else f"message {queue.vector}"
    return f"{queue.size} entries, {rings}, {counts}, {vector}{busy}"
