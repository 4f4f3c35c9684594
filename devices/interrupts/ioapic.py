"""The 82093AA I/O APIC: IOREGSEL and IOWIN in memory, 24 redirection entries.

Source: Intel 82093AA data sheet (290566).
"""

from __future__ import annotations

from typing import ClassVar

from devices.interrupts.apic_bus import ApicBus, DeliveryMode, InterruptMessage, destination_of_8_bits
from devices.interrupts.ioapic_memory import MASKED, PINS, IoApicMemory, IoApicState
from devices.seam import Line, Rows
from devices.wiring.irq import Pin

IOREGSEL, IOWIN = 0x00, 0x10
IOAPICID, IOAPICVER, IOAPICARB, IOREDTBL = 0x00, 0x01, 0x02, 0x10
VERSION = 0x11
ACTIVE_LOW, REMOTE_IRR, LEVEL = 1 << 13, 1 << 14, 1 << 15
LOGICAL, DELIVERY_STATUS = 1 << 11, 1 << 12
WRITABLE = 0xFF00_0000_0001_AFFF
"""The fields of an entry but delivery status and remote IRR."""
NEVER_LEVEL = (DeliveryMode.SMI, DeliveryMode.NMI, DeliveryMode.INIT, DeliveryMode.EXTINT)
"""Modes that are edge-triggered whatever the trigger mode bit says (data sheet, delivery mode)."""


class IoApic:
    """Turns levels at its pins into messages on the APIC bus. A window of 4 KiB of memory."""

    name = "ioapic"
    title = "82093AA I/O APIC"
    State: ClassVar[type[IoApicState]] = IoApicState

    def __init__(self, bus: ApicBus, apic_id: int = 0) -> None:
        self._bus = bus
        self._state = IoApicMemory()
        self._state.load(IoApicState(apic_id=apic_id))

    @property
    def memory(self) -> IoApicMemory:
        """The registers, at one place for as long as the chip is."""
        return self._state

    def input(self, pin: int) -> Line:
        """The line INTIN0 to INTIN23. Raises ValueError for any other number."""
        if not 0 <= pin < PINS:
            raise ValueError(f"pin {pin} is no input of the I/O APIC, which has 0 to {PINS - 1}")
        return Pin(self._set_line, pin)

    def read(self, offset: int, size: int, now: int) -> int:
        limit = (1 << 8 * size) - 1
        if offset == IOREGSEL:
            return self._state.ioregsel & limit
        if offset == IOWIN:
            return self._read_register(self._state.ioregsel) & limit
        return limit

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """IOREGSEL takes any size, IOWIN only whole registers."""
        if offset == IOREGSEL:
            self._state.ioregsel = value & 0xFF
        elif offset == IOWIN and size >= 4:
            self._write_register(self._state.ioregsel, value & 0xFFFF_FFFF)

    def end_of_interrupt(self, vector: int) -> None:
        """A local APIC broadcasts EOI: entries with this vector send again if their line is still active."""
        for pin, entry in enumerate(self._state.redirection):
            if entry & REMOTE_IRR and entry & 0xFF == vector:
                self._state.redirection[pin] = entry & ~REMOTE_IRR
                self._service_level(pin)

    def save(self) -> IoApicState:
        return self._state.saved()

    def restore(self, state: IoApicState) -> None:
        """Raises ValueError if `state` has the wrong number of entries."""
        self._state.load(state)

    def describe(self, now: int) -> Rows:
        state = self._state
        rows = [
            ("IOREGSEL", f"{state.ioregsel:#04x}"),
            ("IOAPICID", str(state.apic_id)),
            ("INTIN", f"{state.lines:024b}"),
        ]
        return rows + [(f"IOREDTBL{pin}", _describe(entry)) for pin, entry in enumerate(state.redirection)]

    def _read_register(self, register: int) -> int:
        if register in (IOAPICID, IOAPICARB):
            return self._state.apic_id << 24
        if register == IOAPICVER:
            return (PINS - 1) << 16 | VERSION
        if IOREDTBL <= register < IOREDTBL + 2 * PINS:
            half = register - IOREDTBL
            return self._state.redirection[half // 2] >> 32 * (half % 2) & 0xFFFF_FFFF
        return 0xFFFF_FFFF

    def _write_register(self, register: int, value: int) -> None:
        if register == IOAPICID:
            self._state.apic_id = value >> 24 & 0xF
        elif IOREDTBL <= register < IOREDTBL + 2 * PINS:
            self._write_entry(*divmod(register - IOREDTBL, 2), value)

    def _write_entry(self, pin: int, high: int, value: int) -> None:
        """An entry made edge-triggered loses remote IRR; Linux has no other way to end an interrupt here."""
        old = self._state.redirection[pin]
        lanes = 0xFFFF_FFFF << 32 * high & WRITABLE
        entry = old & ~lanes | value << 32 * high & lanes
        if not entry & LEVEL:
            entry &= ~REMOTE_IRR
        self._state.redirection[pin] = entry
        self._service_level(pin)

    def _set_line(self, pin: int, level: bool) -> None:
        state = self._state
        bit = 1 << pin
        if level == bool(state.lines & bit):
            return
        state.lines ^= bit
        entry = state.redirection[pin]
        if level == bool(entry & ACTIVE_LOW) or entry & MASKED:
            return
        if _is_level(entry):
            self._service_level(pin)
        else:
            self._send(entry)

    def _service_level(self, pin: int) -> None:
        """Send a level-triggered interrupt whose line is active and whose last one has ended."""
        entry = self._state.redirection[pin]
        if not _is_level(entry) or entry & (MASKED | REMOTE_IRR):
            return
        active = bool(self._state.lines >> pin & 1) != bool(entry & ACTIVE_LOW)
        if active and self._send(entry):
            self._state.redirection[pin] |= REMOTE_IRR

    def _send(self, entry: int) -> bool:
        mode = DeliveryMode(entry >> 8 & 7)
        destination = destination_of_8_bits(entry >> 56)
        message = InterruptMessage(destination, bool(entry & LOGICAL), mode, entry & 0xFF, _is_level(entry))
        return self._bus.deliver(message)


def _is_level(entry: int) -> bool:
    return bool(entry & LEVEL) and DeliveryMode(entry >> 8 & 7) not in NEVER_LEVEL


def _describe(entry: int) -> str:
    words = [
        DeliveryMode(entry >> 8 & 7).name.lower().replace("_", " "),
        f"vector {entry & 0xFF:#04x}",
        f"to {'logical' if entry & LOGICAL else 'physical'} {entry >> 56:#04x}",
        "level" if entry & LEVEL else "edge",
        "active low" if entry & ACTIVE_LOW else "active high",
    ]
    if entry & REMOTE_IRR:
        words.append("remote IRR")
    if entry & MASKED:
        words.append("masked")
    return ", ".join(words)
