"""What guests made to test hypervisors look for: registers that keep what is written, memory that is a device's, and
lines that the guest drives itself. QEMU has it under the same name; kvm-unit-tests use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.interrupts.pic import CASCADE_IRQ
from devices.seam import Line, Pages, Rows

DATA_PORTS, FLUSH_PORTS = range(0xE0, 0xE4), range(0xE4, 0xE8)
IRQS = 16
IRQ_PORTS = range(0x2000, 0x2000 + IRQS)
MEMORY = range(0xFF00_0000, 0xFF01_0000)


@dataclass(frozen=True, slots=True)
class TestDeviceOptions:
    """There is nothing to choose."""

    __test__ = False


@dataclass(slots=True)
class TestDeviceState:
    __test__ = False
    data: int = 0


class TestDevice:
    """Four bytes at DATA_PORTS; a line for each of IRQ_PORTS, high while what was written last is not 0; MEMORY.

    What is written to FLUSH_PORTS has no effect: translations of memory are never stale here. QEMU's four bytes at E8h,
    which are those at DATA_PORTS, are not there: a debug console is.
    """

    __test__ = False
    title = "registers, memory and interrupt lines for kvm-unit-tests"
    State: ClassVar[type[TestDeviceState]] = TestDeviceState

    def __init__(self, name: str, memory: Pages, lines: dict[int, Line]) -> None:
        self.name = name
        self._memory = memory
        self._lines = lines
        self._state = TestDeviceState()

    def read(self, offset: int, size: int, now: int) -> int:
        return self._state.data >> 8 * offset & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        lanes = ((1 << 8 * size) - 1) << 8 * offset
        self._state.data = (self._state.data & ~lanes | value << 8 * offset & lanes) & 0xFFFF_FFFF

    def read_memory(self, offset: int, size: int) -> int:
        return int.from_bytes(self._memory.read(offset, size), "little")

    def write_memory(self, offset: int, size: int, value: int) -> None:
        self._memory.write(offset, value.to_bytes(size, "little"))

    def drive(self, irq: int, level: bool) -> None:
        if irq in self._lines:
            self._lines[irq].set(level)

    def save(self) -> TestDeviceState:
        return TestDeviceState(self._state.data)

    def restore(self, state: TestDeviceState) -> None:
        self._state = TestDeviceState(state.data)

    def describe(self, now: int) -> Rows:
        return [("data", f"{self._state.data:#010x}")]


@dataclass(frozen=True, slots=True)
class _Flush:
    """Takes anything."""

    def read(self, offset: int, size: int, now: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Lines:
    """IRQ_PORTS: what is written last to one is that line's level."""

    device: TestDevice

    def read(self, offset: int, size: int, now: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.device.drive(offset, value != 0)


@dataclass(frozen=True, slots=True)
class _Memory:
    device: TestDevice

    def read(self, offset: int, size: int, now: int) -> int:
        return self.device.read_memory(offset, size)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.device.write_memory(offset, size, value)


def _fit(slot: Slot, options: TestDeviceOptions) -> TestDevice:
    lines = {number: slot.any_irq(number) for number in range(IRQS) if number != CASCADE_IRQ}
    device = TestDevice(slot.name, slot.pages("memory", len(MEMORY)), lines)
    slot.claim_ports(DATA_PORTS, device, wide=True)
    slot.claim_ports(FLUSH_PORTS, _Flush(), wide=True)
    slot.claim_ports(IRQ_PORTS, _Lines(device))
    slot.claim_memory(MEMORY, _Memory(device))
    return device


FITTING = Fitting("pc-testdev", TestDevice.title, TestDeviceOptions, _fit, pci=True, for_qemu=True)
