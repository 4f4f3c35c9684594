"""Intel's 82540EM gigabit Ethernet controller: registers, interrupts, rings.

Source: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453). Memory is read and
written in deadlines: a frame leaves when its bytes have had their time at a gigabit a second.
"""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass, field
from typing import ClassVar, Final

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.e1000 import eeprom, phy, receive, transmit
from devices.network.e1000 import registers as reg
from devices.network.e1000.eeprom import EepromState
from devices.network.e1000.io_window import IoWindow
from devices.network.e1000.phy import PhyState
from devices.network.e1000.statistics import Statistics
from devices.network.e1000.transmit import TransmitState
from devices.network.frame import PADDED, mac_text
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.seam import Rows

SEND, RECEIVE, THROTTLE, RECEIVED, SENT = "send", "receive", "throttle", "receive delay", "transmit delay"
VENDOR, DEVICE = 0x8086, 0x100E
BEGIN_NS: Final = 5_000
BYTE_NS: Final = 8
AT_ONCE: Final = 64
"""Descriptors that are worked at in one deadline."""
MOST_WAITING: Final = 48 << 10
"""Bytes of frames that have no descriptor yet: the receive part of the packet buffer."""
_IDENTITY = Identity(VENDOR, DEVICE, 0x020000, 3, VENDOR, 0x001E)
_WORD = 0xFFFF_FFFF


@dataclass(slots=True)
class E1000State:
    """`registers` are those that keep what was written, and `statistics` counters, each with its offset before it."""

    function: PciFunctionState
    registers: tuple[tuple[int, int], ...] = ()
    control: int = reg.CTRL_AT_RESET
    causes: int = 0
    mask: int = 0
    quiet_until: int = 0
    """When the next interrupt may come (ITR)."""
    asserted: bool = False
    statistics: tuple[tuple[int, int], ...] = ()
    eeprom: EepromState = field(default_factory=EepromState)
    phy: PhyState = field(default_factory=PhyState)
    transmit: TransmitState = field(default_factory=TransmitState)
    waiting: tuple[bytes, ...] = ()
    received_first: int = 0
    """When the first frame came that nobody was told of yet, 0 for none; `sent_first` likewise."""
    sent_first: int = 0
    io_address: int = 0


class E1000:
    """Frames go to and come from `cable`."""

    title = "Intel 82540EM network controller"
    State: ClassVar[type[E1000State]] = E1000State

    def __init__(self, slot: Slot, cable: Cable, mac: bytes) -> None:
        self.name = slot.name
        self._cable = cable
        self._mac = mac
        self._words = eeprom.contents(mac, DEVICE, VENDOR)
        self._memory = slot.bus_master()
        self._timer = slot.timer()
        self._ports = IoWindow(self)
        bars = {0: Bar(Space.MEMORY32, reg.SIZE, self), 1: Bar(Space.IO, reg.IO_SIZE, self._ports)}
        self.function = PciFunction(slot, _IDENTITY, bars=bars, pin=Pin.INTA)
        self.state = E1000State(self.function.save())
        self._registers = self._registers_at_reset()
        self._statistics: dict[int, int] = {}
        cable.plug(self)

    # registers

    def read(self, offset: int, size: int, now: int) -> int:
        """Registers are dwords; less of one is its bytes."""
        value = self._read(offset & ~3, now) >> 8 * (offset & 3)
        return value & (1 << 8 * min(size, 4)) - 1

    def _read(self, at: int, now: int) -> int:
        s = self.state
        match at:
            case reg.CTRL:
                return s.control
            case reg.STATUS:
                return self._status()
            case reg.EECD:
                return eeprom.read_eecd(s.eeprom)
            case reg.EERD:
                return eeprom.read_eerd(s.eeprom)
            case reg.MDIC:
                return s.phy.mdic
            case reg.ICR:
                causes, s.causes = s.causes, 0
                self._drive(now)
                return causes | (1 << 31 if causes & s.mask else 0)
            case reg.IMS:
                return s.mask
        if at in reg.STATISTICS:
            return Statistics(self._statistics).take(at)
        return self._registers.get(at, 0)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Parts of registers are not written (13.3)."""
        if size == 8:
            self.write(offset, 4, value & _WORD, now)
            self.write(offset + 4, 4, value >> 32, now)
        elif size == 4 and not offset & 3:
            self._write(offset, value, now)

    def _write(self, at: int, value: int, now: int) -> None:
        s = self.state
        match at:
            case reg.CTRL | 0x0004:
                self._control(value, now)
            case reg.EECD:
                eeprom.write_eecd(s.eeprom, value, self._words)
            case reg.EERD:
                eeprom.write_eerd(s.eeprom, value, self._words)
            case reg.MDIC:
                if phy.write_mdic(s.phy, value, self._cable.link_up):
                    self._cause(reg.MDAC, now)
            case reg.ICR:
                s.causes &= ~value
                self._drive(now)
            case reg.ICS:
                self._cause(value & reg.INTERRUPTS, now)
            case reg.IMS:
                s.mask |= value & reg.INTERRUPTS
                self._drive(now)
            case reg.IMC:
                s.mask &= ~value
                self._drive(now)
            case _ if at in reg.WRITABLE:
                self._registers[at] = value & reg.WRITABLE[at]
                self._written(at, now)

    def _written(self, at: int, now: int) -> None:
        """What keeps its value, and has a meaning besides."""
        if at in (reg.TDT, reg.TCTL):
            self._send_later(now, BEGIN_NS)
        elif at in (reg.RDT, reg.RCTL) and self.state.waiting:
            self._timer.schedule(RECEIVE, now + BEGIN_NS)

    def _status(self) -> int:
        up = self._cable.link_up and self.state.control & reg.CTRL_SET_LINK_UP
        return reg.STATUS_FULL_DUPLEX | reg.STATUS_1000 | (reg.STATUS_LINK_UP if up else 0)

    def _control(self, value: int, now: int) -> None:
        s = self.state
        if value & reg.CTRL_RESET:
            self._reset(now)
            return
        before, s.control = s.control, value & ~reg.CTRL_PHY_RESET
        if value & reg.CTRL_PHY_RESET:
            phy.reset(s.phy)
        if s.control & ~before & reg.CTRL_SET_LINK_UP and self._cable.link_up:
            self._cause(reg.LSC, now)

    def _registers_at_reset(self) -> dict[int, int]:
        low, high = int.from_bytes(self._mac[:4], "little"), int.from_bytes(self._mac[4:], "little")
        return dict(reg.RESET) | {reg.RA.start: low, reg.RA.start + 4: high | reg.RA_VALID}

    def _reset(self, now: int) -> None:
        """All but configuration space and PHY."""
        s = self.state
        for name in (SEND, RECEIVE, THROTTLE, RECEIVED, SENT):
            self._timer.cancel(name)
        self.state = E1000State(s.function, phy=s.phy)
        self._registers, self._statistics = self._registers_at_reset(), {}
        self._drive(now)

    # interrupts

    def _cause(self, bits: int, now: int) -> None:
        self.state.causes |= bits
        self._drive(now)

    def _drive(self, now: int) -> None:
        """13.4.18: once it was asserted, the pin is not again before ITR's time is over."""
        s = self.state
        wanted = bool(s.causes & s.mask)
        if wanted and not s.asserted:
            if now < s.quiet_until:
                self._timer.schedule(THROTTLE, s.quiet_until)
                return
            s.quiet_until = now + self._registers.get(reg.ITR, 0) * reg.ITR_UNIT
        s.asserted = wanted
        self.function.set_interrupt(wanted)

    def _delayed(self, name: str, first: int, delay: int, most: int, cause: int, now: int) -> int:
        """An interrupt for a frame, at once or after its delays; when the first untold one was."""
        registers = self._registers
        if not registers.get(delay, 0):
            self._cause(cause, now)
            return 0
        first = first or now
        due = now + registers[delay] * reg.DELAY_UNIT
        if registers.get(most, 0):
            due = min(due, first + registers[most] * reg.DELAY_UNIT)
        self._timer.schedule(name, max(due, now + 1))
        return first

    def on_event(self, name: str, now: int) -> None:
        match name:
            case "send":
                self._send(now)
            case "receive":
                self._fill(now)
            case "throttle":
                self._drive(now)
            case "receive delay":
                self.state.received_first = 0
                self._cause(reg.RXT0, now)
            case "transmit delay":
                self.state.sent_first = 0
                self._cause(reg.TXDW, now)

    # sending

    def _ring(self, base: int, length: int) -> tuple[int, int]:
        """Its address, and how many descriptors it has."""
        registers = self._registers
        return registers.get(base + 4, 0) << 32 | registers.get(base, 0), registers.get(length, 0) // transmit.SIZE

    def _send_later(self, now: int, wait: int) -> None:
        registers = self._registers
        count = self._ring(reg.TDBAL, reg.TDLEN)[1]
        head, tail = registers.get(reg.TDH, 0), registers.get(reg.TDT, 0)
        if registers.get(reg.TCTL, 0) & reg.TCTL_ENABLE and head != tail and tail < count:
            self._timer.schedule(SEND, now + wait)

    def _send(self, now: int) -> None:
        s, registers = self.state, self._registers
        base, count = self._ring(reg.TDBAL, reg.TDLEN)
        tail = registers.get(reg.TDT, 0)
        if not self.function.bus_master or tail >= count:
            return
        loaded, told = 0, False
        for _ in range(AT_ONCE):
            head = registers.get(reg.TDH, 0)
            if head == tail:
                break
            at = base + head * transmit.SIZE
            step = self._step(at)
            loaded += step.loaded
            for frame in step.frames:
                self._put_on_cable(frame, now)
            Statistics(self._statistics).count(reg.TSCTC, int(step.cut))
            told |= self._report(at, step, now)
            registers[reg.TDH] = head + 1 if head + 1 < count else 0
        if registers.get(reg.TDH, 0) == tail:
            s.causes |= reg.TXQE
        if told:
            s.causes |= reg.TXDW
        self._drive(now)
        self._send_later(now, max(BEGIN_NS, loaded * BYTE_NS))

    def _step(self, at: int) -> transmit.Step:
        vlan = self.state.control & reg.CTRL_VLAN_MODE
        ethertype = self._registers.get(reg.VET, 0) if vlan else None
        descriptor = self._memory.read(at, transmit.SIZE, "transmit descriptor")
        return transmit.take(self.state.transmit, descriptor, self._load, ethertype)

    def _load(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size, "frame to send")

    def _report(self, at: int, step: transmit.Step, now: int) -> bool:
        """Whether an interrupt is due now for it."""
        if not step.report:
            return False
        self._memory.write(at + transmit.STATUS, bytes([transmit.DONE]), "transmit descriptor")
        if not step.delayed:
            return True
        s = self.state
        s.sent_first = self._delayed(SENT, s.sent_first, reg.TIDV, reg.TADV, reg.TXDW, now)
        return False

    def _put_on_cable(self, frame: bytes, now: int) -> None:
        if self._registers.get(reg.TCTL, 0) & reg.TCTL_PAD:
            frame = frame.ljust(PADDED, b"\0")
        Statistics(self._statistics).sent(frame)
        if phy.loops(self.state.phy) or self._registers.get(reg.RCTL, 0) & reg.RCTL_LOOPBACK:
            self.receive(frame, now)
        elif self.state.control & reg.CTRL_SET_LINK_UP:
            self._cable.transmit(frame, now)

    # receiving

    def receive(self, frame: bytes, now: int) -> bool:
        """devices.network.wire.Nic."""
        s = self.state
        statistics, control = Statistics(self._statistics), self._registers.get(reg.RCTL, 0)
        if not control & reg.RCTL_ENABLE or not self.function.bus_master:
            return False
        if len(frame) < PADDED:
            frame = frame.ljust(PADDED, b"\0")
        statistics.arrived(frame)
        if len(frame) > (receive.LONGEST_JUMBO if control & reg.RCTL_LONG else receive.LONGEST_USUAL):
            statistics.count(reg.ROC)
            return True
        if not receive.keeps(self._registers, frame, self._tag_of(frame)):
            return True
        if sum(map(len, s.waiting)) + len(frame) > MOST_WAITING:
            statistics.count(reg.MPC)
            self._cause(reg.RXO, now)
            return False
        statistics.received(frame)
        s.waiting += (frame,)
        self._fill(now)
        return True

    def link_changed(self, now: int) -> None:
        """devices.network.wire.Nic."""
        self.state.phy.lost_link |= not self._cable.link_up
        self._cause(reg.LSC, now)

    def _tag_of(self, frame: bytes) -> int | None:
        """Of its VLAN."""
        ethertype = self._registers.get(reg.VET, 0).to_bytes(2, "big")
        return int.from_bytes(frame[14:16], "big") if frame[12:14] == ethertype else None

    def _fill(self, now: int) -> None:
        """Frames that wait go into the descriptors that there are, each whole."""
        s, registers = self.state, self._registers
        base, count = self._ring(reg.RDBAL, reg.RDLEN)
        filled = False
        while (
            s.waiting and self._free(count) * receive.buffer_size(registers.get(reg.RCTL, 0)) >= len(s.waiting[0]) + 4
        ):
            frame, s.waiting = s.waiting[0], s.waiting[1:]
            self._store(frame, base, count)
            filled = True
        if s.waiting:
            Statistics(self._statistics).count(reg.RNBC)
        if filled:
            if self._free(count) <= count >> (registers.get(reg.RCTL, 0) >> 8 & 3) + 1:
                s.causes |= reg.RXDMT0
            s.received_first = self._delayed(RECEIVED, s.received_first, reg.RDTR, reg.RADV, reg.RXT0, now)

    def _free(self, count: int) -> int:
        """Descriptors that the driver has given."""
        head, tail = self._registers.get(reg.RDH, 0), self._registers.get(reg.RDT, 0)
        return (tail - head) % count if head < count and tail < count else 0

    def _store(self, frame: bytes, base: int, count: int) -> None:
        registers = self._registers
        control, tag = registers.get(reg.RCTL, 0), self._tag_of(frame)
        checksum, status, errors = receive.checksum_status(registers, frame)
        if tag is not None and self.state.control & reg.CTRL_VLAN_MODE:
            frame, status = frame[:12] + frame[16:], status | receive.TAGGED
        else:
            tag = 0
        if not control & reg.RCTL_STRIP_CRC:
            frame += zlib.crc32(frame).to_bytes(receive.CRC_SIZE, "little")
        size = receive.buffer_size(control)
        for start in range(0, len(frame), size):
            part, head = frame[start : start + size], registers.get(reg.RDH, 0)
            at = base + head * receive.SIZE
            buffer = int.from_bytes(self._memory.read(at, 8, "receive descriptor"), "little")
            self._memory.write(buffer, part, "received frame")
            last = receive.END if start + size >= len(frame) else 0
            descriptor = receive.written_back(
                buffer, len(part), checksum, status | receive.DONE | last, errors, tag or 0
            )
            self._memory.write(at, descriptor, "receive descriptor")
            registers[reg.RDH] = head + 1 if head + 1 < count else 0

    # as a device

    def save(self) -> E1000State:
        state = copy.deepcopy(self.state)
        state.function, state.io_address = self.function.save(), self._ports.address
        state.registers, state.statistics = (
            tuple(sorted(part.items())) for part in (self._registers, self._statistics)
        )
        return state

    def restore(self, state: E1000State) -> None:
        if sum(map(len, state.waiting)) > MOST_WAITING or len(state.transmit.held) > transmit.MOST_HELD:
            raise ValueError("an 82540EM that holds more than it can")
        self.state = copy.deepcopy(state)
        self._registers, self._statistics = dict(state.registers), dict(state.statistics)
        self._ports.address = state.io_address
        self.function.restore(state.function)

    def describe(self, now: int) -> Rows:
        s, registers = self.state, self._registers
        rings = [
            (
                name,
                f"at {base:x}, {count} descriptors, head {registers.get(head, 0)}, tail {registers.get(head + 8, 0)}",
            )
            for name, head, (base, count) in (
                ("receive ring", reg.RDH, self._ring(reg.RDBAL, reg.RDLEN)),
                ("transmit ring", reg.TDH, self._ring(reg.TDBAL, reg.TDLEN)),
            )
        ]
        return [
            ("address", mac_text(self._mac)),
            ("link", "up" if self._status() & reg.STATUS_LINK_UP else "down"),
            ("CTRL", f"{s.control:08x} {reg.names(s.control, reg.CTRL_BITS)}"),
            ("RCTL", f"{registers.get(reg.RCTL, 0):08x} {reg.names(registers.get(reg.RCTL, 0), reg.RCTL_BITS)}"),
            ("TCTL", f"{registers.get(reg.TCTL, 0):08x} {reg.names(registers.get(reg.TCTL, 0), reg.TCTL_BITS)}"),
            ("ICR", reg.names(s.causes, reg.INTERRUPT_BITS)),
            ("IMS", reg.names(s.mask, reg.INTERRUPT_BITS)),
            ("ITR", f"{registers.get(reg.ITR, 0) * reg.ITR_UNIT} ns"),
            *rings,
            ("frames waiting for descriptors", str(len(s.waiting))),
            ("statistics", Statistics(self._statistics).text()),
            *function_rows(self.function),
        ]


def fit(slot: Slot, cable: Cable, mac: bytes) -> E1000:
    return E1000(slot, cable, mac)
