"""Intel's 82540EM gigabit Ethernet controller: registers, interrupts, rings.

Source: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453). Memory is read and
written in deadlines: a frame leaves when its bytes have had their time at a gigabit a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from devices.copied import copied
from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.e1000 import eeprom, phy, transmit
from devices.network.e1000 import registers as reg
from devices.network.e1000.eeprom import EepromState
from devices.network.e1000.interrupts import Interrupts, InterruptState
from devices.network.e1000.io_window import IoWindow
from devices.network.e1000.phy import PhyState
from devices.network.e1000.receiver import MOST_WAITING, Receiver
from devices.network.e1000.ring_rows import received, ring_rows, sent
from devices.network.e1000.statistics import Statistics
from devices.network.e1000.transmit import TransmitState
from devices.network.frame import PADDED, mac_text
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.seam import Rows
from devices.wiring.bits import named_bits

SEND, RECEIVE = "send", "receive"
VENDOR, DEVICE = 0x8086, 0x100E
BEGIN_NS: Final = 5_000
BYTE_NS: Final = 8
AT_ONCE: Final = 64
"""Descriptors that are worked at in one deadline."""
_IDENTITY = Identity(VENDOR, DEVICE, 0x020000, 3, VENDOR, 0x001E)
_WORD = 0xFFFF_FFFF


@dataclass(slots=True)
class E1000State:
    """`registers` are those that keep what was written, and `statistics` counters, each with its offset before it."""

    function: PciFunctionState
    registers: tuple[tuple[int, int], ...] = ()
    control: int = reg.CTRL_AT_RESET
    interrupts: InterruptState = field(default_factory=InterruptState)
    statistics: tuple[tuple[int, int], ...] = ()
    eeprom: EepromState = field(default_factory=EepromState)
    phy: PhyState = field(default_factory=PhyState)
    transmit: TransmitState = field(default_factory=TransmitState)
    waiting: tuple[bytes, ...] = ()
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
        self._counters: dict[int, int] = {}
        self._statistics = Statistics(self._counters)
        self._interrupts = Interrupts(self._registers, self._timer, self.function.set_interrupt)
        self._receiver = Receiver(self._registers, self._statistics, self._memory, self._interrupts, self._tags)
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
                return self._interrupts.take(now)
            case reg.IMS:
                return self._interrupts.state.mask
        if at in reg.STATISTICS:
            return self._statistics.take(at)
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
                    self._interrupts.cause(reg.MDAC, now)
            case reg.ICR:
                self._interrupts.clear(value, now)
            case reg.ICS:
                self._interrupts.cause(value & reg.INTERRUPTS, now)
            case reg.IMS:
                self._interrupts.allow(self._interrupts.state.mask | value, now)
            case reg.IMC:
                self._interrupts.allow(self._interrupts.state.mask & ~value, now)
            case _ if at in reg.WRITABLE:
                self._registers[at] = value & reg.WRITABLE[at]
                self._written(at, now)

    def _written(self, at: int, now: int) -> None:
        """What keeps its value, and has a meaning besides."""
        if at in (reg.TDT, reg.TCTL):
            self._send_later(now, BEGIN_NS)
        elif at in (reg.RDT, reg.RCTL) and self._receiver.waiting:
            self._timer.schedule(RECEIVE, now + BEGIN_NS)

    def _status(self) -> int:
        up = self._cable.link_up and self.state.control & reg.CTRL_SET_LINK_UP
        return reg.STATUS_FULL_DUPLEX | reg.STATUS_1000 | (reg.STATUS_LINK_UP if up else 0)

    def _control(self, value: int, now: int) -> None:
        s = self.state
        if value & reg.CTRL_RESET:
            self._reset()
            return
        before, s.control = s.control, value & ~reg.CTRL_PHY_RESET
        if value & reg.CTRL_PHY_RESET:
            phy.reset(s.phy)
        if s.control & ~before & reg.CTRL_SET_LINK_UP and self._cable.link_up:
            self._interrupts.cause(reg.LSC, now)

    def _tags(self) -> bool:
        """Whether VLAN tags are put in and taken off."""
        return bool(self.state.control & reg.CTRL_VLAN_MODE)

    def _set_registers(self, registers: dict[int, int], counters: dict[int, int]) -> None:
        """In place: others have them too."""
        for kept, wanted in ((self._registers, registers), (self._counters, counters)):
            kept.clear()
            kept.update(wanted)

    def _registers_at_reset(self) -> dict[int, int]:
        low, high = int.from_bytes(self._mac[:4], "little"), int.from_bytes(self._mac[4:], "little")
        return dict(reg.RESET) | {reg.RA.start: low, reg.RA.start + 4: high | reg.RA_VALID}

    def _reset(self) -> None:
        """All but configuration space and PHY."""
        s = self.state
        for name in (SEND, RECEIVE):
            self._timer.cancel(name)
        self.state = E1000State(s.function, phy=s.phy)
        self._set_registers(self._registers_at_reset(), {})
        self._receiver.waiting = ()
        self._interrupts.reset()

    def on_event(self, name: str, now: int) -> None:
        if name == SEND:
            self._send(now)
        elif name == RECEIVE:
            self._receiver.fill(now)
        else:
            self._interrupts.on_event(name, now)

    # sending

    def _ring(self, base: int, length: int) -> tuple[int, int]:
        """Its address, and how many descriptors it has."""
        registers = self._registers
        return registers.get(base + 4, 0) << 32 | registers.get(base, 0), registers.get(length, 0) // transmit.SIZE

    def _ends(self, head: int) -> tuple[int, int]:
        """Its head, which is at that register, and its tail."""
        return self._registers.get(head, 0), self._registers.get(head + 8, 0)

    def _send_later(self, now: int, wait: int) -> None:
        registers = self._registers
        count = self._ring(reg.TDBAL, reg.TDLEN)[1]
        head, tail = self._ends(reg.TDH)
        if registers.get(reg.TCTL, 0) & reg.TCTL_ENABLE and head != tail and tail < count:
            self._timer.schedule(SEND, now + wait)

    def _send(self, now: int) -> None:
        registers = self._registers
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
            self._statistics.count(reg.TSCTC, int(step.cut))
            told |= self._report(at, step, now)
            registers[reg.TDH] = head + 1 if head + 1 < count else 0
        empty = reg.TXQE if registers.get(reg.TDH, 0) == tail else 0
        self._interrupts.cause(empty | (reg.TXDW if told else 0), now)
        self._send_later(now, max(BEGIN_NS, loaded * BYTE_NS))

    def _step(self, at: int) -> transmit.Step:
        ethertype = self._registers.get(reg.VET, 0) if self._tags() else None
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
        self._interrupts.sent(now)
        return False

    def _put_on_cable(self, frame: bytes, now: int) -> None:
        if self._registers.get(reg.TCTL, 0) & reg.TCTL_PAD:
            frame = frame.ljust(PADDED, b"\0")
        self._statistics.sent(frame)
        if phy.loops(self.state.phy) or self._registers.get(reg.RCTL, 0) & reg.RCTL_LOOPBACK:
            self.receive(frame, now)
        elif self.state.control & reg.CTRL_SET_LINK_UP:
            self._cable.transmit(frame, now)

    # the cable's end

    def receive(self, frame: bytes, now: int) -> bool:
        """devices.network.wire.Nic."""
        return self.function.bus_master and self._receiver.receive(frame, now)

    def settle(self, now: int) -> None:
        """devices.network.wire.Nic: a frame that has come has been worked at."""

    def link_changed(self, now: int) -> None:
        """devices.network.wire.Nic."""
        self.state.phy.lost_link |= not self._cable.link_up
        self._interrupts.cause(reg.LSC, now)

    # as a device

    def save(self) -> E1000State:
        state = copied(self.state)
        state.interrupts, state.waiting = copied(self._interrupts.state), self._receiver.waiting
        state.function, state.io_address = self.function.save(), self._ports.address
        state.registers, state.statistics = (tuple(sorted(part.items())) for part in (self._registers, self._counters))
        return state

    def restore(self, state: E1000State) -> None:
        if sum(map(len, state.waiting)) > MOST_WAITING or len(state.transmit.held) > transmit.MOST_HELD:
            raise ValueError("an 82540EM that holds more than it can")
        self.state = copied(state)
        self._set_registers(dict(state.registers), dict(state.statistics))
        self._receiver.waiting = self.state.waiting
        self._interrupts.state = self.state.interrupts
        self._ports.address = state.io_address
        self.function.restore(state.function)

    def describe(self, now: int) -> Rows:
        s, registers = self.state, self._registers
        rings = [
            *ring_rows("receive", self._ring(reg.RDBAL, reg.RDLEN), *self._ends(reg.RDH), self._memory, received),
            *ring_rows("transmit", self._ring(reg.TDBAL, reg.TDLEN), *self._ends(reg.TDH), self._memory, sent),
        ]
        return [
            ("address", mac_text(self._mac)),
            ("link", "up" if self._status() & reg.STATUS_LINK_UP else "down"),
            ("CTRL", f"{s.control:08x} {named_bits(s.control, reg.CTRL_BITS)}"),
            ("RCTL", f"{registers.get(reg.RCTL, 0):08x} {named_bits(registers.get(reg.RCTL, 0), reg.RCTL_BITS)}"),
            ("TCTL", f"{registers.get(reg.TCTL, 0):08x} {named_bits(registers.get(reg.TCTL, 0), reg.TCTL_BITS)}"),
            ("ICR", named_bits(self._interrupts.state.causes, reg.INTERRUPT_BITS)),
            ("IMS", named_bits(self._interrupts.state.mask, reg.INTERRUPT_BITS)),
            ("ITR", f"{registers.get(reg.ITR, 0) * reg.ITR_UNIT} ns"),
            *rings,
            ("frames waiting for descriptors", str(len(self._receiver.waiting))),
            ("statistics", self._statistics.text()),
            *function_rows(self.function),
        ]


def fit(slot: Slot, cable: Cable, mac: bytes) -> E1000:
    return E1000(slot, cable, mac)
