"""virtio-net, without offloads unless it is given some. Source: virtio 1.2, 5.1."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import LONGEST, USUAL, mac_text
from devices.seam import BusMaster, Rows
from devices.virtio.chain import Chain, RingError, read_all
from devices.virtio.net_filter import Class, Filter, FilterState
from devices.virtio.personality import Kind
from devices.virtio.transport import Transport, TransportState
from devices.virtio.virtqueue import Virtqueue

DEVICE = 1
RECEIVE, TRANSMIT, CONTROL = 0, 1, 2
QUEUES = (256, 256, 64)
HEADER = struct.Struct("<BBHHHHH")
"""flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers (5.1.6)."""
PLAIN = bytes(10)
"""A header without its last field, of a frame as it is."""
TAGGED = USUAL + 4
"""Bytes of the longest frame that is no whole segment."""
AT_ONCE = 64
"""Frames that are sent in one deadline."""
MOST_WAITING = 256
MOST_BYTES = 1 << 20
"""Of frames that the driver has given no room for yet."""
COMMAND = 1 << 12
"""Bytes of a control command, at most."""
CONTROL_TIME = 5_000
LINK_UP, ANNOUNCE = 1, 2
OK, FAILED = 0, 1


class Feature(enum.IntFlag):
    CSUM = 1 << 0
    GUEST_CSUM = 1 << 1
    MAC = 1 << 5
    GUEST_TSO4 = 1 << 7
    HOST_TSO4 = 1 << 11
    MRG_RXBUF = 1 << 15
    STATUS = 1 << 16
    CTRL_VQ = 1 << 17
    CTRL_RX = 1 << 18
    CTRL_VLAN = 1 << 19
    CTRL_RX_EXTRA = 1 << 20
    GUEST_ANNOUNCE = 1 << 21
    CTRL_MAC_ADDR = 1 << 23


FEATURES = (
    Feature.MAC
    | Feature.MRG_RXBUF
    | Feature.STATUS
    | Feature.CTRL_VQ
    | Feature.CTRL_RX
    | Feature.CTRL_VLAN
    | Feature.CTRL_RX_EXTRA
    | Feature.GUEST_ANNOUNCE
    | Feature.CTRL_MAC_ADDR
)


_MRG_RXBUF, _GUEST_TSO4 = int(Feature.MRG_RXBUF), int(Feature.GUEST_TSO4)
_CTRL_VLAN, _GUEST_ANNOUNCE = int(Feature.CTRL_VLAN), int(Feature.GUEST_ANNOUNCE)
"""Numbers, which are asked for with every frame."""


class Offloads(Protocol):
    """What the device does for drivers that leave it to the device (5.1.6.2, 5.1.6.4)."""

    @property
    def features(self) -> Feature: ...

    def outgoing(self, header: bytes, frame: bytes) -> Iterable[bytes]:
        """Of a header and what follows it, the frames that go out."""
        ...

    def cut(self, frame: bytes) -> Iterable[bytes]:
        """A frame that is longer than usual, for a driver that takes none such."""
        ...

    def whole(self, frame: bytes) -> tuple[bytes, bytes]:
        """For one that does: the header without its last field, and what follows it."""
        ...


@dataclass(slots=True)
class VirtioNetState:
    """`waiting` are frames that came, in order."""

    transport: TransportState
    filter: FilterState
    waiting: tuple[bytes, ...] = ()
    announce: bool = False


class VirtioNet:
    """Frames go to and come from `cable`."""

    title = "virtio network device"
    State: ClassVar[type[VirtioNetState]] = VirtioNetState
    streams = frozenset({RECEIVE, TRANSMIT})

    def __init__(self, slot: Slot, cable: Cable, mac: bytes, *, offloads: Offloads | None = None) -> None:
        self.name = slot.name
        self.kind = Kind(DEVICE, 0x020000, QUEUES, FEATURES | (offloads.features if offloads is not None else 0))
        self._offloads = offloads
        self._cable = cable
        self._filter = Filter(mac)
        self._announce = False
        self._waiting: list[bytes] = []
        self._held = 0
        """Bytes in those."""
        self._transport = Transport(slot, self)
        self.function = self._transport.function
        cable.plug(self)

    def config(self) -> bytes:
        """5.1.4: the address, and the status."""
        status = LINK_UP * self._cable.link_up | ANNOUNCE * self._announce
        return self._filter.state.mac + struct.pack("<HHH", status, 1, 0)

    def write_config(self, offset: int, data: bytes) -> None:
        """A driver of this version sets the address by a command."""

    def reset(self) -> None:
        self._filter.reset()
        self._waiting, self._held, self._announce = [], 0, False

    # frames that come

    def receive(self, frame: bytes, now: int) -> bool:
        """devices.network.wire.Nic."""
        if not self._transport.may_work(RECEIVE):
            return False
        if not self._filter.keeps(frame, by_vlan=self._has(_CTRL_VLAN)):
            return True
        pieces = self._pieces(frame)
        size = sum(map(len, pieces)) if len(pieces) > 1 else len(frame)
        if not self._fits(len(pieces), size):
            self._transport.serve(RECEIVE, now)
            if not self._fits(len(pieces), size):
                return False
        self._waiting += pieces
        self._held += size
        return True

    def _fits(self, count: int, size: int) -> bool:
        """Whether so many frames more, of so many bytes, may wait."""
        return len(self._waiting) + count <= MOST_WAITING and self._held + size <= MOST_BYTES

    def settle(self, now: int) -> None:
        """devices.network.wire.Nic."""
        if self._waiting and self._transport.may_work(RECEIVE):
            self._transport.serve(RECEIVE, now)

    def _pieces(self, frame: bytes) -> Sequence[bytes]:
        """A frame as the driver takes it."""
        if self._offloads is None or len(frame) <= TAGGED or self._has(_GUEST_TSO4):
            return (frame,)
        return tuple(self._offloads.cut(frame))

    def link_changed(self, now: int) -> None:
        """devices.network.wire.Nic."""
        self._announce = self._cable.link_up and self._has(_GUEST_ANNOUNCE)
        self._transport.config_changed()

    def _has(self, feature: int) -> bool:
        return bool(self._transport.state.driver_features & feature)

    def stream(self, number: int, queue: Virtqueue, memory: BusMaster, now: int) -> tuple[bool, int | None]:
        """devices.virtio.personality.Streaming."""
        return self._send(queue, memory, now) if number == TRANSMIT else self._fill(queue, memory)

    def _send(self, queue: Virtqueue, memory: BusMaster, now: int) -> tuple[bool, int | None]:
        heads = queue.heads(AT_ONCE)
        if not heads:
            queue.ask_for_notice()
            return False, None
        chains = queue.chains(heads)
        if any(chain.readable_size < HEADER.size for chain in chains):
            raise RingError("a frame without a header")
        size = 0
        for data in read_all(chains, memory, HEADER.size + LONGEST + 1, "frame"):
            size += len(data) - HEADER.size
            for frame in self._outgoing(data):
                self._cable.transmit(frame, now)
        wanted = queue.finish([(head, 0) for head in heads])
        if len(heads) == AT_ONCE:
            return wanted, size
        queue.ask_for_notice()  # that was all
        return wanted, None

    def _outgoing(self, data: bytes) -> Iterable[bytes]:
        """The frames that go out of a header and what follows it."""
        header, frame = data[: HEADER.size], data[HEADER.size :]
        return (frame,) if self._offloads is None else self._offloads.outgoing(header, frame)

    def _fill(self, queue: Virtqueue, memory: BusMaster) -> tuple[bool, int | None]:
        """Frames into the buffers that there are, each whole or not at all."""
        heads = queue.heads(queue.state.size)
        buffers = _Buffers(queue, heads, len(self._waiting), merges=self._has(_MRG_RXBUF))
        filled = 0
        for frame in self._waiting:
            if not buffers.put(*self._with_header(frame)):
                break
            filled += 1
            self._held -= len(frame)
        del self._waiting[:filled]
        memory.scatter(buffers.pieces, "frame")
        wanted = queue.finish(buffers.used) if buffers.used else False
        if self._waiting:
            queue.ask_for_notice(len(heads) - len(buffers.used))
        return wanted, None

    def _with_header(self, frame: bytes) -> tuple[bytes, bytes]:
        """Its header but for the number of buffers, and what follows it."""
        if self._offloads is None or len(frame) <= TAGGED or not self._has(_GUEST_TSO4):
            return PLAIN, frame
        return self._offloads.whole(frame)

    # requests of the control queue

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int:
        if not chain.writable_size:
            raise RingError("a command without room for its acknowledgement")
        return CONTROL_TIME

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        command = chain.read(memory, 0, min(chain.readable_size, COMMAND), "control command")
        done = self._obey(command)
        chain.write(memory, 0, bytes([OK if done else FAILED]), "acknowledgement")
        return 1

    def _obey(self, command: bytes) -> bool:
        if command[:2] == bytes([Class.ANNOUNCE, 0]):
            self._announce = False
            return True
        return self._filter.obey(command)

    # as a device

    def on_event(self, name: str, now: int) -> None:
        self._transport.on_event(name, now)

    def save(self) -> VirtioNetState:
        return VirtioNetState(self._transport.save(), self._filter.save(), tuple(self._waiting), self._announce)

    def restore(self, state: VirtioNetState) -> None:
        held = sum(map(len, state.waiting))
        if len(state.waiting) > MOST_WAITING or held > MOST_BYTES:
            raise ValueError("more frames than there is room for")
        self._transport.restore(state.transport)
        self._filter.restore(state.filter)
        self._waiting, self._held, self._announce = list(state.waiting), held, state.announce

    def describe(self, now: int) -> Rows:
        return [
            ("address", mac_text(self._filter.state.mac)),
            ("link", "up" if self._cable.link_up else "down"),
            ("takes", self._filter.rows()),
            ("waiting", f"{len(self._waiting)} frames for which the driver has no buffers yet"),
            *self._transport.rows(),
        ]


class _Buffers:
    """Those of a queue at `heads`, filled in turn: `pieces` are what goes where, `used` the heads of those that have
    something, with how much.
    """

    def __init__(self, queue: Virtqueue, heads: Sequence[int], expected: int, *, merges: bool) -> None:
        """So many are looked at at once, the others when they are wanted."""
        self.pieces: list[tuple[int, bytes]] = []
        self.used: list[tuple[int, int]] = []
        self._queue = queue
        self._heads = heads
        self._merges = merges
        self._chains = queue.chains(heads[:expected])

    def put(self, header: bytes, frame: bytes) -> bool:
        """A frame with its header but for the number of buffers; False, and nothing, if there is no room for it."""
        chains = self._take(HEADER.size + len(frame))
        data = header + len(chains).to_bytes(2, "little") + frame
        for chain in chains:
            self.pieces += chain.pieces(data)
            self.used.append((chain.head, min(len(data), chain.writable_size)))
            if len(chains) > 1:
                data = data[chain.writable_size :]
        return bool(chains)

    def _take(self, size: int) -> Sequence[Chain]:
        """With room for so much: one, which may be too small, or several where the driver merges them."""
        chains, room, begin = self._chains, 0, len(self.used)
        for end in range(begin, len(self._heads)):
            if end == len(chains):
                chains.append(self._queue.chain(self._heads[end]))
            room += chains[end].writable_size
            if room >= size or not self._merges:
                return chains[begin : end + 1]
        return ()


def fit(slot: Slot, cable: Cable, mac: bytes) -> VirtioNet:
    """devices.network.models.Fitter."""
    return VirtioNet(slot, cable, mac)
