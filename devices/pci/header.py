"""A configuration space as it is after a reset, and what of it can be written.

Source: PCI Local Bus Specification 3.0, 6.1 to 6.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.pci import config_space as cs
from devices.pci.bars import Bar
from devices.pci.config_space import Capability, Command, Identity, Pin, Register, Status

_COMMANDS = Command.IO | Command.MEMORY | Command.MASTER | Command.PARITY | Command.SERR


class Header:
    """`values` after a reset; `writable` bits, and those `cleared` by ones. Raises ValueError for what does not fit."""

    def __init__(self, identity: Identity, pin: Pin) -> None:
        self.values = bytearray(cs.CONFIG_SPACE_SIZE)
        self.writable = bytearray(cs.CONFIG_SPACE_SIZE)
        self.cleared = bytearray(cs.CONFIG_SPACE_SIZE)
        self._own: set[int] = set()
        self._identify(identity)
        self._put(cs.INTERRUPT_PIN, 1, pin)
        commands = _COMMANDS | (Command.INTX_DISABLE if pin else 0)
        self._allow(cs.COMMAND, 2, commands)
        self.cleared[cs.STATUS : cs.STATUS + 2] = cs.STATUS_ERRORS.to_bytes(2, "little")
        for register in (cs.CACHE_LINE_SIZE, cs.LATENCY_TIMER, cs.INTERRUPT_LINE):
            self._allow(register, 1, 0xFF)

    def add_register(self, register: Register) -> None:
        """One of the function's own; it may also take over one of the header."""
        self._own.update(range(register.offset, register.offset + register.size))
        self._put(register.offset, register.size, register.value)
        self._allow(register.offset, register.size, register.writable)
        end = register.offset + register.size
        self.cleared[register.offset : end] = register.cleared_by_ones.to_bytes(register.size, "little")

    def add_bars(self, bars: Mapping[int, Bar], rom: Bar | None) -> list[tuple[int, Bar]]:
        """The registers that the BARs have, by offset."""
        placed, taken = [], set[int]()
        for number, bar in sorted(bars.items()):
            wanted = set(range(number, number + bar.registers))
            if wanted & taken or not wanted <= set(range(cs.BARS)):
                raise ValueError(f"BAR {number} for {bar.space.value} does not fit: there are 0 to {cs.BARS - 1}")
            taken |= wanted
            placed.append((cs.BASE_ADDRESS + 4 * number, bar))
        if rom is not None:
            placed.append((cs.EXPANSION_ROM, rom))
        for offset, bar in placed:
            self._put(offset, 4 * bar.registers, bar.type_bits)
            enable = cs.ROM_ENABLE if offset == cs.EXPANSION_ROM else 0
            self._allow(offset, 4 * bar.registers, bar.address_mask | enable)
        return placed

    def add_capabilities(self, capabilities: Sequence[Capability]) -> list[int]:
        """Chain them in this order, each on a dword that no register of the function's own has; their offsets."""
        offsets: list[int] = []
        pointer = cs.CAPABILITIES_POINTER
        for capability in capabilities:
            at = self._room(2 + len(capability.body))
            self.values[pointer] = at
            self.values[at] = capability.id
            end = at + 2 + len(capability.body)
            self.values[at + 2 : end] = capability.body
            self.writable[at + 2 : end] = capability.writable.ljust(len(capability.body), b"\0")
            self._own.update(range(at, end))
            pointer = at + 1
            offsets.append(at)
        if offsets:
            self.values[cs.STATUS] |= Status.CAPABILITIES
        return offsets

    def _room(self, size: int) -> int:
        for at in range(cs.FIRST_FREE, cs.CONFIG_SPACE_SIZE - size + 1, 4):
            if self._own.isdisjoint(range(at, at + size)):
                return at
        raise ValueError(f"a capability of {size} bytes does not fit into the configuration space")

    def _identify(self, identity: Identity) -> None:
        for register, size, value in (
            (cs.VENDOR_ID, 2, identity.vendor),
            (cs.DEVICE_ID, 2, identity.device),
            (cs.STATUS, 2, Status.DEVSEL_MEDIUM | Status.FAST_BACK_TO_BACK),
            (cs.REVISION_ID, 1, identity.revision),
            (cs.CLASS_CODE, 3, identity.class_code),
            (cs.HEADER_TYPE, 1, cs.MULTIFUNCTION if identity.multifunction else 0),
            (cs.SUBSYSTEM_VENDOR_ID, 2, identity.subsystem_vendor),
            (cs.SUBSYSTEM_ID, 2, identity.subsystem),
        ):
            self._put(register, size, value)

    def _put(self, register: int, size: int, value: int) -> None:
        self.values[register : register + size] = value.to_bytes(size, "little")

    def _allow(self, register: int, size: int, bits: int) -> None:
        self.writable[register : register + size] = bits.to_bytes(size, "little")
