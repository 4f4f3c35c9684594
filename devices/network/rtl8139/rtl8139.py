"""Realtek's RTL8139C fast Ethernet controller: a ring of bytes to receive into, and four descriptors to send from.

Source: Realtek RTL8139C(L) data sheet; RTL8139 Programming Guide 0.1. Memory is read and written in deadlines: a frame
leaves when its bytes have had their time at a hundred megabits a second.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from devices.copied import copied
from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import BROADCAST, PADDED, is_multicast, mac_text
from devices.network.microwire import WORDS, MicrowireState, drive
from devices.network.rtl8139 import registers as reg
from devices.network.rtl8139.buffer_rows import Buffer
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.seam import NANOSECONDS_PER_SECOND, Rows
from devices.wiring.bits import named_bits

SEND, TIMER = "send", "timer"
VENDOR, DEVICE = 0x10EC, 0x8139
BEGIN_NS: Final = 5_000
BYTE_NS: Final = 80
CLOCK: Final = 33_000_000
"""Ticks a second of TCTR: the PCI clock's."""
HEADER: Final = 4
CRC_SIZE: Final = 4
LONGEST: Final = 4096 - CRC_SIZE
"""Bytes of a frame: what is longer is not received (RCR, LONG)."""
RING_WRAPS: Final = 0x10000
"""A ring of that size begins again at its end whatever RCR.WRAP says."""
LAG: Final = 16
"""CAPR is so much behind where the driver reads."""
DESCRIPTORS: Final = 4

Derived = tuple[int, int, Callable[[int], int]]
"""Where a register is, its size, and what it reads as at an instant."""


@dataclass(slots=True)
class Rtl8139State:
    """`file` are the registers as bytes, but for those that are made when they are read. `pending` are descriptors that
    have yet to be sent, by bits, and `next` the one whose turn it is. `write` is where the next frame goes to.
    """

    function: PciFunctionState
    file: bytes
    command: int = 0
    causes: int = 0
    write: int = 0
    pending: int = 0
    next: int = 0
    timer_began: int = 0
    missed: int = 0
    unlock: int = 0
    """9346CR."""
    eeprom: MicrowireState = field(default_factory=MicrowireState)
    lost_link: bool = False
    sent: int = 0
    received: int = 0


class Rtl8139:
    """Frames go to and come from `cable`."""

    title = "Realtek RTL8139C network controller"
    State: ClassVar[type[Rtl8139State]] = Rtl8139State
    REVISION: ClassVar[int] = 0x10
    VERSION: ClassVar[int] = reg.VERSION
    WRITABLE: ClassVar[Mapping[int, tuple[int, int]]] = reg.WRITABLE
    INTERRUPTS: ClassVar[Mapping[int, str]] = reg.INTERRUPT_BITS

    def __init__(self, slot: Slot, cable: Cable, mac: bytes) -> None:
        self.name = slot.name
        self._cable = cable
        self._mac = mac
        self._words = _eeprom(mac)
        self._memory = slot.bus_master()
        self._timer = slot.timer()
        bars = {0: Bar(Space.IO, reg.SIZE, self), 1: Bar(Space.MEMORY32, reg.SIZE, self)}
        identity = Identity(VENDOR, DEVICE, 0x020000, self.REVISION, VENDOR, DEVICE)
        self.function = PciFunction(slot, identity, bars=bars, pin=Pin.INTA)
        self._file = self._file_at_reset()
        self._state = self.State(self.function.save(), b"")
        self._registers = sorted({*_SPECIAL, *((at, width) for at, (width, _) in self.WRITABLE.items())})
        """Those that can be written, with their sizes."""
        self._derived = self._derivations()
        cable.plug(self)

    # registers

    def read(self, offset: int, size: int, now: int) -> int:
        """Of any size: the bytes as they are."""
        for at, width, value in self._derived:
            if at < offset + size and offset < at + width:
                self._set(at, width, value(now))
        if offset <= reg.BMSR < offset + size:
            self._state.lost_link = False
        return int.from_bytes(self._file[offset : offset + size], "little") & (1 << 8 * size) - 1

    def _derivations(self) -> Sequence[Derived]:
        """Registers that follow from others."""
        return (
            (reg.CR, 1, lambda now: self._state.command | (reg.CR_EMPTY if self._unread == 0 else 0)),
            (reg.CBR, 2, lambda now: self._state.write),
            (reg.ISR, 2, lambda now: self._state.causes),
            (reg.TCR, 4, lambda now: self._get(reg.TCR) & ~reg.VERSIONS | self.VERSION),
            (reg.TCTR, 4, lambda now: (now - self._state.timer_began) * CLOCK // NANOSECONDS_PER_SECOND & 0xFFFF_FFFF),
            (reg.MPC, 4, lambda now: self._state.missed),
            (reg.CR9346, 1, lambda now: self._state.unlock | (reg.EE_OUT if self._state.eeprom.data_out else 0)),
            (reg.MSR, 1, lambda now: 0 if self._cable.link_up else reg.MSR_NO_LINK),
            (reg.TSAD_SUMMARY, 2, lambda now: self._summary()),
            (reg.BMSR, 2, lambda now: reg.BMSR_LINKED if self._seen_up else reg.BMSR_CAPABLE),
            (reg.ANLPAR, 2, lambda now: reg.PARTNER if self._cable.link_up else 0),
            (reg.CSCR, 2, lambda now: reg.CSCR_LINKED if self._cable.link_up else 0x00C0),
        )

    @property
    def _seen_up(self) -> bool:
        """Whether the link is up, and was since it was last asked for."""
        return self._cable.link_up and not self._state.lost_link

    def _summary(self) -> int:
        """OWN and TOK of all descriptors."""
        return sum(
            (descriptor >> 13 & 1) << number | (descriptor >> 15 & 1) << 12 + number
            for number, descriptor in enumerate(map(self._get, reg.TSD))
        )

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Bytes of one register or several; a register that was written in part keeps the rest."""
        end = min(offset + size, reg.SIZE)
        written = dict(zip(range(offset, end), value.to_bytes(size, "little"), strict=False))
        for at, width in self._registers:
            if at < end and offset < at + width:
                kept = 0 if at == reg.ISR else self._get(at, width)
                whole = bytearray(kept.to_bytes(width, "little"))
                for byte in range(max(at, offset), min(at + width, end)):
                    whole[byte - at] = written[byte]
                self._write(at, int.from_bytes(whole, "little"), now)

    def _write(self, at: int, value: int, now: int) -> None:
        s = self._state
        if at in self.WRITABLE:
            width, bits = self.WRITABLE[at]
            self._set(at, width, value & bits)
        if at in reg.CONFIGURATION and s.unlock & reg.EEM == reg.EEM_CONFIGURATION:
            bits = reg.CONFIGURATION[at]
            self._set(at, 1, self._get(at, 1) & ~bits | value & bits)
        match at:
            case _ if at in reg.TSD:
                self._describe_frame(at, value, now)
            case reg.CR:
                self._command(value, now)
            case reg.IMR:
                self._drive()
            case reg.ISR:
                s.causes &= ~value
                self._drive()
            case reg.TCTR | reg.TIMER_INT:
                if at == reg.TCTR:
                    s.timer_began = now
                self._set_timer(now)
            case reg.MPC:
                s.missed = 0
            case reg.CR9346:
                self._eeprom_wires(value)
            case reg.BMCR if value & reg.BMCR_RESET:
                self._set(reg.BMCR, 2, 0x3100)

    def _get(self, at: int, width: int = 4) -> int:
        return int.from_bytes(self._file[at : at + width], "little")

    def _set(self, at: int, width: int, value: int) -> None:
        self._file[at : at + width] = value.to_bytes(width, "little")

    def _command(self, value: int, now: int) -> None:
        s = self._state
        if value & reg.CR_RESET:
            self._reset()
            return
        began = value & ~s.command
        s.command = value & (reg.CR_RECEIVE | reg.CR_TRANSMIT)
        if began & reg.CR_RECEIVE:
            s.write = 0
            self._set(reg.CAPR, 2, -LAG & 0xFFFF)
        if began & reg.CR_TRANSMIT:
            self._send_later(now, BEGIN_NS)

    def _file_at_reset(self) -> bytearray:
        file = bytearray(reg.SIZE)
        file[: len(self._mac)] = self._mac
        for at, (width, value) in reg.RESET.items():
            file[at : at + width] = value.to_bytes(width, "little")
        return file

    def _reset(self) -> None:
        """The address, the multicast filter and configuration stay (CR.RST)."""
        s, before = self._state, self._file
        self._timer.cancel(SEND)
        self._timer.cancel(TIMER)
        self._file = self._file_at_reset()
        kept = (*reg.IDR, *reg.MAR, *reg.CONFIGURATION, *range(reg.BMCR, reg.ANER))
        for at in kept:
            self._file[at] = before[at]
        self._state = self.State(
            s.function, b"", unlock=s.unlock, eeprom=s.eeprom, lost_link=s.lost_link, timer_began=s.timer_began
        )
        self._drive()

    def _eeprom_wires(self, value: int) -> None:
        s = self._state
        s.unlock = value & ~reg.EE_OUT & 0xFF
        select = value & reg.EEM == reg.EEM_PROGRAM and bool(value & reg.EE_SELECT)
        clock, data = bool(value & reg.EE_CLOCK), bool(value & reg.EE_IN)
        drive(s.eeprom, self._words, select=select, clock=clock, data=data)

    # interrupts and timer

    def _cause(self, bits: int) -> None:
        self._state.causes |= bits
        self._drive()

    def _drive(self) -> None:
        self.function.set_interrupt(bool(self._state.causes & self._get(reg.IMR, 2)))

    def _set_timer(self, now: int) -> None:
        """For when TCTR is what TimerInt says, next."""
        wanted = self._get(reg.TIMER_INT)
        if not wanted:
            self._timer.cancel(TIMER)
            return
        due = self._state.timer_began - (-wanted * NANOSECONDS_PER_SECOND // CLOCK)
        round_ = (1 << 32) * NANOSECONDS_PER_SECOND // CLOCK
        if due <= now:
            due += ((now - due) // round_ + 1) * round_
        self._timer.schedule(TIMER, due)

    def on_event(self, name: str, now: int) -> None:
        if name == SEND:
            self._send(now)
        else:
            self._cause(reg.TIMEOUT)
            self._set_timer(now)

    # sending

    def _describe_frame(self, at: int, value: int, now: int) -> None:
        """TSD: software gives the descriptor over by clearing OWN."""
        s, number = self._state, (at - reg.TSD.start) // 4
        self._set(at, 4, value & ~reg.TSD_STATUS | value & reg.TSD_OWN)
        if not value & reg.TSD_OWN:
            s.pending |= 1 << number
            self._send_later(now, BEGIN_NS + (value & reg.TSD_SIZE) * BYTE_NS)

    def _send_later(self, now: int, wait: int) -> None:
        s = self._state
        if s.command & reg.CR_TRANSMIT and s.pending >> s.next & 1:
            self._timer.schedule(SEND, now + wait)

    def _send(self, now: int) -> None:
        s = self._state
        if not s.pending >> s.next & 1 or not self.function.bus_master:
            return
        at, address = reg.TSD[s.next], self._get(reg.TSAD[s.next])
        size = self._get(at) & reg.TSD_SIZE
        frame = self._memory.read(address, size, "frame to send") if size else b""
        s.sent += 1
        if self._get(reg.TCR) & reg.TCR_LOOPBACK == reg.TCR_LOOPBACK:
            self.receive(frame, now)
        else:
            self._cable.transmit(frame, now)
        self._set(at, 4, self._get(at) | reg.TSD_OWN | reg.TSD_OK)
        s.pending &= ~(1 << s.next)
        s.next = (s.next + 1) % DESCRIPTORS
        self._cause(reg.TOK)
        self._send_later(now, BEGIN_NS + (self._get(reg.TSD[s.next]) & reg.TSD_SIZE) * BYTE_NS)

    # receiving

    @property
    def _ring_size(self) -> int:
        return 8192 << (self._get(reg.RCR) >> 11 & 3)

    @property
    def _wraps(self) -> bool:
        """Whether frames go on at the ring's beginning, not beyond its end."""
        return self._ring_size == RING_WRAPS or not self._get(reg.RCR) & reg.RCR_WRAP

    @property
    def _unread(self) -> int:
        """Bytes that the driver has yet to take."""
        return (self._state.write - self._get(reg.CAPR, 2) - LAG) % self._ring_size

    def receive(self, frame: bytes, now: int) -> bool:
        """devices.network.wire.Nic."""
        s = self._state
        if not s.command & reg.CR_RECEIVE or not self.function.bus_master:
            return False
        frame = frame.ljust(PADDED, b"\0")
        kind = self._kind_of(frame)
        if len(frame) > LONGEST or kind is None:
            return True
        data = frame + zlib.crc32(frame).to_bytes(CRC_SIZE, "little")
        header = (reg.RECEIVED_OK | kind).to_bytes(2, "little") + len(data).to_bytes(2, "little")
        size = HEADER + len(data) + 3 & ~3
        if size >= self._ring_size - self._unread:
            s.missed = min(s.missed + 1, 0xFF_FFFF)
            self._cause(reg.RXOVW)
            return False
        self._store(header + data)
        s.write = (s.write + size) % self._ring_size
        s.received += 1
        self._cause(reg.ROK)
        return True

    def settle(self, now: int) -> None:
        """devices.network.wire.Nic: a frame that has come has been worked at."""

    def link_changed(self, now: int) -> None:
        """devices.network.wire.Nic."""
        self._state.lost_link |= not self._cable.link_up
        self._cause(reg.LINK_CHANGED)

    def _kind_of(self, frame: bytes) -> int | None:
        """The bits of its status, None where filters keep it out."""
        control, to = self._get(reg.RCR), frame[:6]
        if to == BROADCAST:
            kind, wanted = reg.IS_BROADCAST, reg.RCR_BROADCAST
        elif is_multicast(to):
            kind, wanted = reg.IS_MULTICAST, reg.RCR_MULTICAST if self._hashed(to) else 0
        else:
            own = to == bytes(self._file[: len(to)])
            kind, wanted = (reg.IS_OWN, reg.RCR_OWN) if own else (0, 0)
        return kind if control & (wanted | reg.RCR_ALL) else None

    def _hashed(self, to: bytes) -> bool:
        """Whether the filter has its bit: six of the check sequence, the last first."""
        low = ~zlib.crc32(to) & 0x3F
        number = int(f"{low:06b}"[::-1], 2)
        return bool(self._file[reg.MAR.start + number // 8] >> number % 8 & 1)

    def _store(self, data: bytes) -> None:
        """Beyond the end where RCR.WRAP says so, else on from the beginning."""
        start, write, size = self._get(reg.RBSTART), self._state.write, self._ring_size
        fitting = size - write if self._wraps else len(data)
        self._memory.write(start + write, data[:fitting], "received frame")
        if data[fitting:]:
            self._memory.write(start, data[fitting:], "received frame")

    def _buffer(self) -> Buffer:
        size, read = self._ring_size, self._get(reg.CAPR, 2) + LAG
        return Buffer(self._memory, self._get(reg.RBSTART), size, read % size, self._unread, self._wraps)

    # as a device

    def save(self) -> Rtl8139State:
        state = copied(self._state)
        file = bytearray(self._file)
        for at, width, _ in self._derived:
            file[at : at + width] = (
                bytes(width) if at != reg.TCR else (self._get(at) & ~reg.VERSIONS).to_bytes(4, "little")
            )
        state.function, state.file = self.function.save(), bytes(file)
        return state

    def restore(self, state: Rtl8139State) -> None:
        if len(state.file) != reg.SIZE or not 0 <= state.next < DESCRIPTORS:
            raise ValueError("an RTL8139 with other registers, or other descriptors")
        self._state = copied(state)
        self._file = bytearray(state.file)
        self.function.restore(state.function)

    def describe(self, now: int) -> Rows:
        s = self._state
        control = self._get(reg.RCR)
        descriptors = [
            (
                f"descriptor {number}" + (", next" if number == s.next else ""),
                f"{self._get(at) & reg.TSD_SIZE} bytes at {self._get(reg.TSAD[number]):x}, "
                + ("to be sent" if s.pending >> number & 1 else "the driver's"),
            )
            for number, at in enumerate(reg.TSD)
        ]
        return [
            ("address", mac_text(bytes(self._file[: len(self._mac)]))),
            ("link", "up" if self._cable.link_up else "down"),
            ("CR", named_bits(s.command | (reg.CR_EMPTY if self._unread == 0 else 0), reg.CR_BITS)),
            ("RCR", f"{control:08x} {named_bits(control, reg.RCR_BITS)}"),
            ("ISR", named_bits(s.causes, self.INTERRUPTS)),
            ("IMR", named_bits(self._get(reg.IMR, 2), self.INTERRUPTS)),
            (
                "receive ring",
                f"{self._ring_size} bytes at {self._get(reg.RBSTART):x}, {self._unread} unread, next at {s.write:x}",
            ),
            *self._buffer().rows(),
            *descriptors,
            ("frames", f"{s.received} received, {s.sent} sent, {s.missed} missed"),
            *function_rows(self.function),
        ]


_SPECIAL: Final = [
    *((at, 4) for at in (*reg.TSD, reg.TCTR, reg.MPC)),
    *((at, 1) for at in (reg.CR, reg.CR9346, *reg.CONFIGURATION)),
    (reg.ISR, 2),
]
"""Registers that do something when they are written, with their sizes."""


def _eeprom(mac: bytes) -> tuple[int, ...]:
    """The words of a card of that address (data sheet, 6)."""
    words = [0] * WORDS
    words[0:5] = [0x8129, VENDOR, DEVICE, VENDOR, DEVICE]
    words[5] = 0x4020  # MXLAT and MNGNT
    words[7:10] = [int.from_bytes(mac[at : at + 2], "little") for at in (0, 2, 4)]
    return tuple(words)


def fit(slot: Slot, cable: Cable, mac: bytes) -> Rtl8139:
    return Rtl8139(slot, cable, mac)
