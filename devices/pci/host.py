"""PCI configuration mechanism 1 and a bus of functions.

Source: PCI Local Bus Specification 3.0, 3.2.2.3.2 (CONFIG_ADDRESS, CONFIG_DATA) and chapter 6 (configuration
space); Intel 82371AB data sheet for the reset control register at CF9h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.pci.config_space import BUS_DEVICES, ConfigSpace, Place
from devices.seam import Line, Rows

CONFIG_PORTS = range(0xCF8, 0xD00)
CONFIG_ADDRESS = 0
RESET_CONTROL = 1
CONFIG_DATA = 4
CONFIG_ENABLE = 0x8000_0000
CONFIG_ADDRESS_MASK = 0x80FF_FFFC

SYSTEM_RESET = 0x02
RESET_CPU = 0x04
FULL_RESET = 0x08


@dataclass(slots=True)
class PciHostState:
    config_address: int = 0
    reset_control: int = 0


class PciHost:
    """Ports CF8h to CFFh, taking accesses of any width. Functions are added at wiring time; nobody home reads
    as ones.

    A rising bit 2 of the reset control register pulses `reset`.
    """

    name = "pci"
    title = "PCI configuration, mechanism 1"
    State: ClassVar[type[PciHostState]] = PciHostState

    def __init__(self, reset: Line) -> None:
        self._reset = reset
        self._functions: dict[int, ConfigSpace] = {}
        self._names: dict[int, str] = {}
        self._state = PciHostState()

    def add(self, place: Place, target: ConfigSpace, name: str) -> None:
        """Put a function of the device `name` on bus 0. Raises ValueError if the place is taken."""
        if place.number in self._functions:
            raise ValueError(f"PCI device {place} is taken")
        self._functions[place.number] = target
        self._names[place.number] = name

    def free_device(self, first: int) -> Place:
        """The lowest device number from `first` on that no function has. Raises ValueError if there is none."""
        taken = {number >> 3 for number in self._functions}
        for device in range(first, BUS_DEVICES):
            if device not in taken:
                return Place(device)
        raise ValueError("there is no room left on the PCI bus")

    @property
    def functions(self) -> Mapping[int, ConfigSpace]:
        """By device << 3 | function."""
        return self._functions

    def placed(self) -> list[tuple[Place, str, ConfigSpace]]:
        """Each function with its place and the name of its device, by rising place."""
        numbers = sorted(self._functions)
        return [(Place(n >> 3, n & 7), self._names[n], self._functions[n]) for n in numbers]

    def read(self, offset: int, size: int, now: int) -> int:
        if offset >= CONFIG_DATA:
            return self._read_data(offset - CONFIG_DATA, size)
        if offset == CONFIG_ADDRESS and size == 4:
            return self._state.config_address
        if offset == RESET_CONTROL and size == 1:
            return self._state.reset_control
        return (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset >= CONFIG_DATA:
            self._write_data(offset - CONFIG_DATA, size, value)
        elif offset == CONFIG_ADDRESS and size == 4:
            self._state.config_address = value & CONFIG_ADDRESS_MASK
        elif offset == RESET_CONTROL and size == 1:
            self._write_reset_control(value)

    def save(self) -> PciHostState:
        return copied(self._state)

    def restore(self, state: PciHostState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        address = self._state.config_address
        place = f"{address >> 16 & 0xFF:02x}:{address >> 11 & 0x1F:02x}.{address >> 8 & 7}"
        selected = f"{place} register {address & 0xFC:02x}" if address & CONFIG_ENABLE else "disabled"
        places = " ".join(f"00:{at >> 3:02x}.{at & 7}" for at in sorted(self._functions))
        return [
            ("CONFIG_ADDRESS", f"{address:08x} {selected}"),
            ("reset control", f"{self._state.reset_control:02x}"),
            ("functions", places or "none"),
        ]

    def _selected(self) -> ConfigSpace | None:
        address = self._state.config_address
        if not address & CONFIG_ENABLE:
            return None
        return self._functions.get(address >> 8 & 0xFFFF)

    def _read_data(self, lane: int, size: int) -> int:
        target = self._selected()
        if target is None or lane + size > 4:
            return (1 << 8 * size) - 1
        return target.read_config(self._state.config_address & 0xFC | lane, size)

    def _write_data(self, lane: int, size: int, value: int) -> None:
        target = self._selected()
        if target is not None and lane + size <= 4:
            target.write_config(self._state.config_address & 0xFC | lane, size, value)

    def _write_reset_control(self, value: int) -> None:
        rising = value & ~self._state.reset_control
        self._state.reset_control = value & (SYSTEM_RESET | RESET_CPU | FULL_RESET)
        if rising & RESET_CPU:
            self._reset.set(True)
            self._reset.set(False)
