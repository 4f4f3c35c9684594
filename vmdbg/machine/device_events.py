"""What devices do that a debugger can catch: requests to drives as they are done, message signalled interrupts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from devices.interrupts.apic_bus import DeliveryMode, InterruptMessage
from vmdbg.engine.stops import DeviceCatch, DiskCatch, IpiCatch, MessageCatch, PacketCatch, Stops
from vmdbg.machine.outcome import DeviceEvent, DevicesCaught, DiskDone, IpiSent, MessageSent, PacketPassed
from vmdbg.units import CpuId, Tick

if TYPE_CHECKING:
    from devices.disk.requests import DiskRequest
    from devices.disk.requests import Listener as RequestListener
    from devices.network.wire import Listener, Passage

NMI = 2
"""Its vector (SDM 3A 6.3.1)."""
WITH_VECTOR = frozenset({DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY})


def sent_vector(message: InterruptMessage) -> int | None:
    """The vector that its receiver takes; None of modes that have none."""
    if message.mode in WITH_VECTOR:
        return message.vector
    return NMI if message.mode is DeliveryMode.NMI else None


def _passed(passage: Passage) -> PacketPassed:
    from devices.network.summary import summary  # for machines with a network only
    from devices.network.wire import Fate

    found = summary(passage.frame)
    fate = "" if passage.fate is Fate.CARRIED else str(passage.fate)
    words = found.source, found.target, found.protocol, found.info
    return PacketPassed(passage.net, str(passage.direction), *words, fate)


class Watched(Protocol):
    """What of an engine says what is caught."""

    @property
    def stops(self) -> Stops: ...


class DeviceEvents:
    """All of a machine's. `engine` is set before anything happens.

    Invariant: of what is caught the machine is told at the boundary that follows, by take(): so whoever catches stands
    at an instant at which nobody who does not would differ. `on_hit` is called as it happens, and ends the run there.
    """

    def __init__(self) -> None:
        self.engine: Watched | None = None
        self.on_hit: Callable[[], None] = lambda: None
        self.hits: list[tuple[int, DeviceEvent]] = []
        self.packet_listeners: list[Listener] = []
        self.request_listeners: list[RequestListener] = []
        """Told of every frame, as devices.network.cable.Cable tells."""

    def on_request(self, request: DiskRequest) -> None:
        """devices.disk.requests.Listener."""
        for told in self.request_listeners:
            told(request)
        for catch in self._catches():
            if isinstance(catch, DiskCatch) and catch.is_of(
                request.unit, request.operation, request.sector, request.count
            ):
                done = DiskDone(request.unit, request.operation, request.sector, request.count, Tick(request.submitted))
                self._hit(catch.number, done)

    @property
    def hears_packets(self) -> bool:
        """Whether somebody would hear of a frame."""
        return bool(self.packet_listeners or self._catches())

    def on_passage(self, passage: Passage) -> None:
        """A frame was sent, or came, or did not."""
        from devices.network.packet_filter import parse_filter

        for listener in self.packet_listeners:
            listener(passage)
        for catch in self._catches():
            if isinstance(catch, PacketCatch) and parse_filter(catch.words).holds(passage):
                self._hit(catch.number, _passed(passage))

    def on_message(self, device: str, address: int, data: int, message: InterruptMessage) -> None:
        """A device has sent that."""
        for catch in self._catches():
            if isinstance(catch, MessageCatch) and catch.is_of(message.vector):
                sent = MessageSent(device, address, data, message.vector, message.mode.name.lower().replace("_", " "))
                self._hit(catch.number, sent)

    def on_ipi(self, sender: int, message: InterruptMessage, receivers: Sequence[int]) -> None:
        """A CPU sends that, to these."""
        for catch in self._catches():
            if isinstance(catch, IpiCatch) and catch.is_of(sender, receivers, vector := sent_vector(message)):
                mode = message.mode.name.lower().replace("_", " ")
                self._hit(catch.number, IpiSent(CpuId(sender), tuple(map(CpuId, receivers)), vector, mode))

    def take(self) -> DevicesCaught | None:
        """What was caught since the last time."""
        if not self.hits:
            return None
        hits, self.hits = tuple(self.hits), []
        return DevicesCaught(hits)

    def _catches(self) -> tuple[DeviceCatch, ...]:
        return self.engine.stops.catches.devices if self.engine is not None else ()

    def _hit(self, number: int, event: DeviceEvent) -> None:
        self.hits.append((number, event))
        self.on_hit()
