"""Realtek's RTL8139C+: an RTL8139C whose driver may have rings of descriptors, checksums and large sends instead.

Sources: RTL8169 data sheet 1.21, whose rings are alike, and what Linux' 8139cp does with a C+: the C+'s own data sheet
was not to be had. Rings are of 64 descriptors at most. A packet leaves when its descriptors are looked at; those after
it wait until its bytes have had their time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import LONGEST as LONGEST_SENT
from devices.network.frame import PADDED
from devices.network.rtl8139 import cplus_descriptors as desc
from devices.network.rtl8139 import cplus_registers as plus
from devices.network.rtl8139 import registers as reg
from devices.network.rtl8139.cplus_rows import ring_rows
from devices.network.rtl8139.rtl8139 import BEGIN_NS, BYTE_NS, CRC_SIZE, LONGEST, Derived, Rtl8139, Rtl8139State
from devices.seam import Rows
from devices.wiring.bits import named_bits

POLL, DUMP = "poll", "dump"
NORMAL, HIGH = 0, 1
AT_ONCE: Final = 64
"""Descriptors that are sent from in one deadline."""
_RINGS: Final = (plus.TNPDS, plus.THPDS)
_POLLS: Final = (plus.POLL_NORMAL, plus.POLL_HIGH)
_TALLIES: Final = struct.Struct("<QQQIHHIIQQIHH")
_KINDS_OF_C: Final = 13
_KINDS: Final = 24
"""Where the three bits of a frame's kind are in the status of an RTL8139C, and in that of a descriptor."""


@dataclass(slots=True)
class Tallies:
    """Frames since the reset, as DTCCR has them."""

    sent: int = 0
    received: int = 0
    missed: int = 0
    own: int = 0
    broadcast: int = 0
    multicast: int = 0


@dataclass(slots=True)
class TransmitRing:
    """`next` is the descriptor whose turn it is; `held` is what its packet has so far, `command` and `tag` of its first
    descriptor."""

    next: int = 0
    polled: bool = False
    began: bool = False
    command: int = 0
    tag: int = 0
    held: bytes = b""
    too_long: bool = False


def _rings() -> list[TransmitRing]:
    return [TransmitRing(), TransmitRing()]


@dataclass(slots=True)
class CplusState(Rtl8139State):
    """`rings` are the normal and the high one; `receive` is the descriptor into which the next frame goes."""

    rings: list[TransmitRing] = field(default_factory=_rings)
    receive: int = 0
    done: int = 0
    """The address of the last transmit descriptor."""
    tallies: Tallies = field(default_factory=Tallies)


class Rtl8139Cplus(Rtl8139):
    """Frames go to and come from `cable`."""

    title = "Realtek RTL8139C+ network controller"
    State: ClassVar[type[Rtl8139State]] = CplusState
    REVISION = plus.REVISION
    VERSION = plus.VERSION
    WRITABLE: ClassVar[Mapping[int, tuple[int, int]]] = plus.WRITABLE
    INTERRUPTS: ClassVar[Mapping[int, str]] = plus.INTERRUPT_BITS
    _state: CplusState

    # registers

    @property
    def _mode(self) -> int:
        """C+CR."""
        return self._get(plus.CPCR, 2)

    def _derivations(self) -> Sequence[Derived]:
        return *super()._derivations(), (plus.TX_DMA_OK, 2, lambda now: self._state.done & 0xFFFF)

    def _write(self, at: int, value: int, now: int) -> None:
        if at in reg.TSD and self._mode & (plus.CPCR_TRANSMIT | plus.CPCR_RECEIVE):
            if at <= plus.DTCCR + 4:
                self._set(at, 4, value)
            if at == plus.DTCCR and value & plus.DTCCR_DUMP:
                self._timer.schedule(DUMP, now + BEGIN_NS)
        elif at == plus.TPPOLL:
            self._poll(value, now)
        else:
            super()._write(at, value, now)

    def _command(self, value: int, now: int) -> None:
        before = self._state.command
        super()._command(value, now)
        began = self._state.command & ~before
        if began & reg.CR_TRANSMIT:
            self._state.rings = _rings()
        if began & reg.CR_RECEIVE:
            self._state.receive = 0

    def _reset(self) -> None:
        self._timer.cancel(POLL)
        self._timer.cancel(DUMP)
        super()._reset()

    def on_event(self, name: str, now: int) -> None:
        if name == POLL:
            self._send_packets(now)
        elif name == DUMP:
            self._dump()
        else:
            super().on_event(name, now)

    def _ring(self, register: int, mask: int = plus.RING_ADDRESS) -> int:
        """The 64 bits of an address."""
        return self._get(register, 8) & mask

    # sending

    def _poll(self, value: int, now: int) -> None:
        rings = self._state.rings
        waits = any(ring.polled for ring in rings)
        for ring, bit in zip(rings, _POLLS, strict=True):
            ring.polled |= bool(value & bit)
        if not waits and any(ring.polled for ring in rings):
            self._timer.schedule(POLL, now + BEGIN_NS)
        if value & plus.SOFTWARE_INTERRUPT:
            self._cause(plus.SWINT)

    def _send_packets(self, now: int) -> None:
        s = self._state
        if not (s.command & reg.CR_TRANSMIT and self._mode & plus.CPCR_TRANSMIT and self.function.bus_master):
            for ring in s.rings:
                ring.polled = False
            return
        taken, loaded, causes = 0, 0, 0
        for number in (HIGH, NORMAL):
            while s.rings[number].polled and taken < AT_ONCE:
                size, cause = self._take(number, now)
                taken, loaded, causes = taken + 1, loaded + size, causes | cause
        if any(ring.polled for ring in s.rings):
            self._timer.schedule(POLL, now + max(BEGIN_NS * taken, loaded * BYTE_NS))
        if causes:
            self._cause(causes)

    def _take(self, number: int, now: int) -> tuple[int, int]:
        """The next descriptor of a ring: how many bytes of memory it was, and what it causes."""
        ring, base = self._state.rings[number], self._ring(_RINGS[number])
        one = self._descriptor(base, ring.next, "transmit descriptor")
        if not one.is_given:
            ring.polled = False
            return 0, plus.TDU
        if not ring.began or one.command & desc.FIRST:
            ring.began, ring.command, ring.tag, ring.held, ring.too_long = True, one.command, one.tag, b"", False
        size = one.command & 0xFFFF
        if len(ring.held) + size > LONGEST_SENT:
            ring.too_long, size = True, 0
        ring.held += self._memory.read(one.buffer, size, "frame to send") if size else b""
        kept = one.command & (desc.END_OF_RING | desc.FIRST | desc.LAST | 0xFFFF)
        self._memory.write(one.at, kept.to_bytes(4, "little"), "transmit descriptor")
        self._state.done, ring.next = one.at, _after(one, ring.next)
        if not one.command & desc.LAST:
            return size, 0
        packet, ring.began, ring.held = b"" if ring.too_long else ring.held, False, b""
        for frame in desc.outgoing(ring.command, ring.tag, packet) if packet else ():
            self._put_on_cable(frame, now)
        return size, reg.TOK

    def _put_on_cable(self, frame: bytes, now: int) -> None:
        self._state.sent += 1
        self._state.tallies.sent += 1
        if self._get(reg.TCR) & reg.TCR_LOOPBACK == reg.TCR_LOOPBACK:
            self.receive(frame, now)
        else:
            self._cable.transmit(frame, now)

    # receiving

    def receive(self, frame: bytes, now: int) -> bool:
        """devices.network.wire.Nic."""
        s = self._state
        if not self._mode & plus.CPCR_RECEIVE:
            return super().receive(frame, now)
        if not s.command & reg.CR_RECEIVE or not self.function.bus_master:
            return False
        frame = frame.ljust(PADDED, b"\0")
        kind = self._kind_of(frame)
        if len(frame) > LONGEST or kind is None:
            return True
        status = kind >> _KINDS_OF_C << _KINDS | (desc.checked(frame) if self._mode & plus.CPCR_CHECKSUM else 0)
        frame, tag = desc.untagged(frame) if self._mode & plus.CPCR_VLAN else (frame, 0)
        data = frame + zlib.crc32(frame).to_bytes(CRC_SIZE, "little")
        given = self._given(len(data))
        if not given:
            s.missed = min(s.missed + 1, 0xFF_FFFF)
            s.tallies.missed += 1
            self._cause(plus.RDU)
            return False
        self._fill(data, given, status, tag)
        self._count(kind)
        self._cause(reg.ROK)
        return True

    def _given(self, size: int) -> list[desc.Descriptor]:
        """Descriptors with room for so much, one after the other; none if there is less."""
        found, room, number = list[desc.Descriptor](), 0, self._state.receive
        while room < size and len(found) < desc.MOST:
            one = self._descriptor(self._ring(plus.RDSAR), number, "receive descriptor")
            if not one.is_given:
                return []
            found.append(one)
            room += one.command & desc.BUFFER_SIZE
            number = _after(one, number)
        return found if room >= size else []

    def _fill(self, data: bytes, given: list[desc.Descriptor], status: int, tag: int) -> None:
        at, s = 0, self._state
        for one in given:
            part = data[at : at + (one.command & desc.BUFFER_SIZE)]
            at += len(part)
            last = one is given[-1]
            bits = one.command & desc.END_OF_RING | (desc.FIRST if one is given[0] else 0)
            bits |= desc.LAST | status | len(data) if last else 0
            self._memory.write(one.buffer, part, "received frame")
            self._memory.write(one.at, desc.words(bits, tag if last else 0), "receive descriptor")
            s.receive = _after(one, s.receive)

    def _count(self, kind: int) -> None:
        self._state.received += 1
        tallies = self._state.tallies
        tallies.received += 1
        tallies.own += kind == reg.IS_OWN
        tallies.broadcast += kind == reg.IS_BROADCAST
        tallies.multicast += kind == reg.IS_MULTICAST

    def _descriptor(self, base: int, number: int, request: str) -> desc.Descriptor:
        at = base + desc.SIZE * number
        return desc.read(at, self._memory.read(at, desc.SIZE, request))

    def _dump(self) -> None:
        """The tallies; errors and collisions, of which there are none, are among them."""
        t, word, half = self._state.tallies, 0xFFFF_FFFF, 0xFFFF
        if self.function.bus_master:
            counts = t.sent, t.received, 0, 0, t.missed & half, 0, 0, 0, t.own, t.broadcast, t.multicast & word, 0, 0
            self._memory.write(self._ring(plus.DTCCR, plus.DTCCR_ADDRESS), _TALLIES.pack(*counts), "tallies")
        self._set(plus.DTCCR, 4, self._get(plus.DTCCR) & ~plus.DTCCR_DUMP)

    # as a device

    def restore(self, state: Rtl8139State) -> None:
        assert isinstance(state, CplusState)
        places = [ring.next for ring in state.rings] + [state.receive]
        held = [len(ring.held) for ring in state.rings]
        if len(state.rings) != len(_RINGS) or not all(0 <= at < desc.MOST for at in places) or max(held) > LONGEST_SENT:
            raise ValueError("an RTL8139C+ with other rings, or more than it can hold")
        super().restore(state)

    def describe(self, now: int) -> Rows:
        s, rows = self._state, super().describe(now)
        mode = self._mode
        rows += [("C+CR", f"{mode:04x} {named_bits(mode, plus.CPCR_BITS)}")]
        if mode & plus.CPCR_RECEIVE:
            rows += ring_rows("receive", self._ring(plus.RDSAR), s.receive, self._memory)
        if mode & plus.CPCR_TRANSMIT:
            rows += ring_rows("transmit", self._ring(plus.TNPDS), s.rings[NORMAL].next, self._memory)
        if mode & plus.CPCR_TRANSMIT and self._ring(plus.THPDS):
            rows += ring_rows("high transmit", self._ring(plus.THPDS), s.rings[HIGH].next, self._memory)
        return rows


def _after(one: desc.Descriptor, number: int) -> int:
    """The descriptor that follows it in its ring."""
    return 0 if one.command & desc.END_OF_RING else (number + 1) % desc.MOST


def fit(slot: Slot, cable: Cable, mac: bytes) -> Rtl8139Cplus:
    return Rtl8139Cplus(slot, cable, mac)
