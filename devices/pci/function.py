"""A PCI function: the part of a device that answers to configuration, has BARs, and interrupts.

Source: PCI Local Bus Specification 3.0, chapter 6 and 2.2.6 (interrupt pins). A device holds one, keeps its state
inside its own, and says what its BARs answer with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devices.copied import copied
from devices.fitting import Slot
from devices.pci import config_space as cs
from devices.pci import msi as messages
from devices.pci.bars import Bar, Space, rom_bar
from devices.pci.config_space import Capability, Command, Identity, Pin, Place, Register, Status
from devices.pci.header import Header
from devices.pci.msi import Msi, Msix, MsixState, MsixTable
from devices.pci.option_rom import made_out
from devices.seam import DeviceMemory, Window

_MASTER = int(Command.MASTER)


@dataclass(slots=True)
class PciFunctionState:
    """`config` as it reads, but for the bit that shows the pin; `interrupt` is what the device has its pin at."""

    config: bytes
    interrupt: bool = False
    msix: MsixState | None = None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A BAR in the header and the window that it moves."""

    offset: int
    bar: Bar
    window: Window


def _nothing(registers: range) -> None:
    """Nobody wants to hear of it."""


class PciFunction:
    """`bars` by their number; a 64-bit one takes the number after it too. `pin` is None for a function without
    interrupts. `registers` are those of its own, `on_config` hears of what was written to any, as a range.

    Without a `rom` of its own it has the option ROM of its slot, if any. With MSI-X, its BAR is made here. Raises
    ValueError where what is asked for does not fit into a header.
    """

    def __init__(
        self,
        slot: Slot,
        identity: Identity,
        *,
        bars: Mapping[int, Bar] | None = None,
        rom: bytes = b"",
        pin: Pin = Pin.NONE,
        capabilities: Sequence[Capability] = (),
        msi: Msi | None = None,
        msix: Msix | None = None,
        registers: Sequence[Register] = (),
        on_config: Callable[[range], None] = _nothing,
        place: Place | None = None,
    ) -> None:
        self.identity = identity
        self.on_config = on_config
        self._header = header = Header(identity, pin)
        for register in registers:
            header.add_register(register)
        self.capabilities = header.add_capabilities([*capabilities, *(one.capability() for one in (msi, msix) if one)])
        """Their offsets, in the order of the list; MSI and MSI-X come last."""
        self._msi_at = self.capabilities[-2 if msix else -1] if msi else 0
        self._msix_at = self.capabilities[-1] if msix else 0
        self.table = MsixTable(msix, self._unmasked) if msix else None
        parts = dict(bars or {})
        if msix is not None and self.table is not None:
            parts[msix.bar] = Bar(Space.MEMORY32, msix.bar_size, self.table)
        rom = rom or made_out(slot.option_rom, identity.vendor, identity.device)
        placed = header.add_bars(parts, rom_bar(rom) if rom else None)
        self._placed = [_Placed(offset, bar, _window(slot, bar)) for offset, bar in placed]
        self._line = slot.pci_function(self, pin, place)
        self._message = slot.msi()
        self._state = PciFunctionState(bytes(header.values), msix=self.table.state if self.table else None)

    def read_config(self, register: int, size: int) -> int:
        if register <= cs.STATUS < register + size and self._state.interrupt:
            config = bytearray(self._state.config)
            config[cs.STATUS] |= Status.INTERRUPT
            return int.from_bytes(config[register : register + size], "little")
        return int.from_bytes(self._state.config[register : register + size], "little")

    def write_config(self, register: int, size: int, value: int) -> None:
        config, header = bytearray(self._state.config), self._header
        for at in range(register, register + size):
            byte, value = value & 0xFF, value >> 8
            kept = config[at] & ~header.writable[at] & ~(header.cleared[at] & byte)
            config[at] = kept | byte & header.writable[at]
        self._state.config = bytes(config)
        if register < cs.FIRST_FREE:
            self._header_written(register)
        else:
            self._messages_changed()
        self.on_config(range(register, register + size))

    @property
    def command(self) -> Command:
        return Command(self._word(cs.COMMAND))

    @property
    def bus_master(self) -> bool:
        """Whether it may store and load: without that, no DMA and no message."""
        return bool(self._state.config[cs.COMMAND] & _MASTER)

    @property
    def msi_enabled(self) -> bool:
        return bool(self._msi_at and self._control(self._msi_at) & messages.MSI_ENABLE)

    @property
    def msix_enabled(self) -> bool:
        return bool(self._msix_at and self._control(self._msix_at) & messages.MSIX_ENABLE)

    def config_value(self, register: int, size: int) -> int:
        """What a register holds, for the device itself."""
        return int.from_bytes(self._state.config[register : register + size], "little")

    def set_config(self, register: int, size: int, value: int) -> None:
        """The device changes a register, whatever the guest can write there."""
        config = self._state.config
        self._state.config = config[:register] + value.to_bytes(size, "little") + config[register + size :]

    def set_interrupt(self, level: bool) -> None:
        """The device drives its interrupt pin. It is not seen while MSI or MSI-X is enabled, or INTx is disabled."""
        if level != self._state.interrupt:
            self._state.interrupt = level
            self._drive_pin()

    def notify(self, vector: int = 0) -> None:
        """An event that has its message, with MSI or MSI-X enabled; else nothing. A masked one stays pending."""
        if self.table is not None and self.msix_enabled:
            if vector < self.table.vectors:
                self._notify_msix(self.table, vector)
        elif self.msi_enabled:
            self._notify_msi(vector)

    def position(self, number: int) -> int | None:
        """Where the BAR of that number is now, None where it does not answer."""
        offset = cs.BASE_ADDRESS + 4 * number
        return next((self._start(placed) for placed in self._placed if placed.offset == offset), None)

    def bar_positions(self) -> list[tuple[int, Bar, int, int | None]]:
        """Each BAR by the offset of its register: what it is, what the register holds, where it answers."""
        return [
            (placed.offset, placed.bar, self._bar_value(placed), self._start(placed))
            for placed in sorted(self._placed, key=lambda placed: placed.offset)
        ]

    def save(self) -> PciFunctionState:
        return copied(self._state)

    def restore(self, state: PciFunctionState) -> None:
        """The windows follow the registers."""
        self._state = copied(state)
        if self.table is not None and self._state.msix is not None:
            self.table.state = self._state.msix
        self._move_windows()

    def _word(self, register: int) -> int:
        return self.config_value(register, 2)

    def _control(self, capability: int) -> int:
        return self._word(capability + messages.CONTROL)

    def _header_written(self, register: int) -> None:
        if register < cs.INTERRUPT_LINE:
            self._move_windows()
        if register < cs.REVISION_ID:
            self._drive_pin()

    def _move_windows(self) -> None:
        for placed in self._placed:
            placed.window.move(self._start(placed))

    def _bar_value(self, placed: _Placed) -> int:
        return self.config_value(placed.offset, 4 * placed.bar.registers)

    def _start(self, placed: _Placed) -> int | None:
        value, command = self._bar_value(placed), self.command
        wanted = Command.IO if placed.bar.space is Space.IO else Command.MEMORY
        enabled = command & wanted and (placed.bar.space is not Space.ROM or value & cs.ROM_ENABLE)
        return placed.bar.start(value) if enabled else None

    def _drive_pin(self) -> None:
        hidden = self.command & Command.INTX_DISABLE or self.msi_enabled or self.msix_enabled
        self._line.set(self._state.interrupt and not hidden)

    def _messages_changed(self) -> None:
        """A capability may have been written: pending messages whose mask is gone are sent."""
        if not self._msi_at and not self._msix_at:
            return
        self._drive_pin()
        if self.msi_enabled:
            pending = self.config_value(self._msi_at + messages.MSI_PENDING, 4)
            for vector in range(pending.bit_length()):
                if pending >> vector & 1:
                    self._notify_msi(vector)
        if self.table is not None and self.msix_enabled and any(self.table.state.pending):
            for vector in range(self.table.vectors):
                self._unmasked(vector)

    def _unmasked(self, vector: int) -> None:
        """The table's entry may be sent now."""
        assert self.table is not None
        if self.table.is_pending(vector) and self.msix_enabled:
            self._notify_msix(self.table, vector)

    def _notify_msix(self, table: MsixTable, vector: int) -> None:
        address, data, masked = table.entry(vector)
        masked = masked or bool(self._control(self._msix_at) & messages.MSIX_MASK_ALL)
        table.set_pending(vector, masked)
        if not masked and self.bus_master:
            self._message(address, data)

    def _notify_msi(self, vector: int) -> None:
        at = self._msi_at
        allocated = 1 << min(self._control(at) >> messages.MSI_ALLOCATED_SHIFT & 7, messages.MSI_MOST.bit_length() - 1)
        vector &= allocated - 1
        bit = 1 << vector
        masked = bool(self.config_value(at + messages.MSI_MASK, 4) & bit)
        pending = self.config_value(at + messages.MSI_PENDING, 4)
        self.set_config(at + messages.MSI_PENDING, 4, pending | bit if masked else pending & ~bit)
        if not masked and self.bus_master:
            data = self._word(at + messages.MSI_DATA) & ~(allocated - 1) | vector
            self._message(self.config_value(at + messages.MSI_ADDRESS, 8), data)


def _window(slot: Slot, bar: Bar) -> Window:
    if isinstance(bar.part, DeviceMemory):
        return bar.part.window(bar.size)
    if bar.space is Space.IO:
        return slot.window_ports(bar.size, bar.part, wide=True)
    return slot.window_memory(bar.size, bar.part)
