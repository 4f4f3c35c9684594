"""An AHCI host bus adapter with as many ports as drives (Serial ATA AHCI 1.3.1). No native command queuing.

Identity: the AHCI function of an Intel ICH9, which drivers know.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from devices.disk.ahci_port import AhciPort
from devices.disk.ahci_port_registers import SLOTS, Cmd, PortState, Work
from devices.disk.ata import Status
from devices.disk.cd_unit import CdUnit
from devices.disk.unit import DiskUnit
from devices.fitting import Slot
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Pin
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.pci.msi import Msi
from devices.seam import BusMaster, Rows

MOST_PORTS = 6
REGISTERS = 0x1000
_BAR = 5
_PORTS, _PORT_SIZE = 0x100, 0x80
_IDENTITY = Identity(0x8086, 0x2922, 0x010601, 2)
_S64A, _SAM, _ISS = 1 << 31, 1 << 18, 2 << 20
"""CAP: 64-bit addresses, AHCI only, 3 Gb/s."""
VERSION = 0x0001_0301


class Global(enum.IntEnum):
    """Offsets of the generic host control registers (3.1)."""

    CAP = 0x00
    GHC = 0x04
    IS = 0x08
    PI = 0x0C
    VS = 0x10


class Ghc(enum.IntFlag):
    HR = 1 << 0
    IE = 1 << 1
    AE = 1 << 31


@dataclass(slots=True)
class AhciState:
    function: PciFunctionState
    control: int = int(Ghc.AE)
    status: int = 0
    ports: list[PortState] = field(default_factory=list)


class _Memory(BusMaster):
    """The way to memory, as long as the function may be a bus master."""

    def __init__(self, memory: BusMaster, function: Callable[[], PciFunction]) -> None:
        self._memory = memory
        self._function = function

    def read(self, address: int, size: int, request: str = "") -> bytes:
        return self._memory.read(address, size, request) if self._function().bus_master else b"\xff" * size

    def write(self, address: int, data: bytes, request: str = "") -> None:
        if self._function().bus_master:
            self._memory.write(address, data, request)

    def look(self, address: int, size: int) -> bytes:
        return self._memory.look(address, size)


class Ahci:
    """`units` are at ports 0 and up. Raises ValueError for more than six."""

    name = "ahci"
    title = "AHCI adapter of an ICH9"
    State: ClassVar[type[AhciState]] = AhciState

    def __init__(self, slot: Slot, units: Sequence[DiskUnit | CdUnit]) -> None:
        if len(units) > MOST_PORTS:
            raise ValueError(f"AHCI has room for {MOST_PORTS} drives, not for {len(units)}: give some another bus")
        self._control, self._status = int(Ghc.AE), 0
        self._timer = slot.timer()
        memory = _Memory(slot.bus_master(), lambda: self.function)
        self.ports = [AhciPort(number, unit, memory, self) for number, unit in enumerate(units)]
        bar = Bar(Space.MEMORY32, REGISTERS, self)
        self.function = PciFunction(slot, _IDENTITY, bars={_BAR: bar}, pin=Pin.INTA, msi=Msi())

    @property
    def _capabilities(self) -> int:
        return _S64A | _SAM | _ISS | SLOTS - 1 << 8 | len(self.ports) - 1

    def schedule(self, port: AhciPort, due: int) -> None:
        """ahci_port.Adapter."""
        self._timer.schedule(f"port {port.number}", due)

    def cancel(self, port: AhciPort) -> None:
        """ahci_port.Adapter."""
        self._timer.cancel(f"port {port.number}")

    def interrupt(self, port: AhciPort) -> None:
        """ahci_port.Adapter."""
        if port.state.status & port.state.enable:
            self._status |= 1 << port.number
            if self._control & Ghc.IE:
                self.function.notify()
        self._drive()

    def _drive(self) -> None:
        self.function.set_interrupt(bool(self._status and self._control & Ghc.IE))

    def on_event(self, name: str, now: int) -> None:
        for port in self.ports:
            if name == f"port {port.number}":
                port.on_event(now)

    def read(self, offset: int, size: int, now: int) -> int:
        """Registers are dwords; others are parts of these."""
        value, at = 0, offset & ~3
        for index in range(-(-((offset & 3) + size) // 4)):
            value |= self._register(at + 4 * index) << 32 * index
        return value >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def _register(self, offset: int) -> int:
        if offset >= _PORTS:
            number, register = divmod(offset - _PORTS, _PORT_SIZE)
            return self.ports[number].read(register) if number < len(self.ports) else 0
        match offset:
            case Global.CAP:
                return self._capabilities
            case Global.GHC:
                return self._control
            case Global.IS:
                return self._status
            case Global.PI:
                return (1 << len(self.ports)) - 1
            case Global.VS:
                return VERSION
            case _:
                return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Whole dwords, or none."""
        if offset & 3 or size not in (4, 8):
            return
        for index in range(size // 4):
            self._write_register(offset + 4 * index, value >> 32 * index & 0xFFFF_FFFF, now)

    def _write_register(self, offset: int, value: int, now: int) -> None:
        if offset >= _PORTS:
            number, register = divmod(offset - _PORTS, _PORT_SIZE)
            if number < len(self.ports):
                self.ports[number].write(register, value, now)
        elif offset == Global.IS:
            self._status &= ~value
            for port in self.ports:
                if port.state.status & port.state.enable:
                    self._status |= 1 << port.number
            self._drive()
        elif offset == Global.GHC and value & Ghc.HR:
            self._reset()
        elif offset == Global.GHC:
            self._control = int(Ghc.AE) | value & Ghc.IE
            self._drive()

    def _reset(self) -> None:
        """HBA reset (10.4.3)."""
        self._control, self._status = int(Ghc.AE), 0
        for port in self.ports:
            port.reset()
        self._drive()

    def save(self) -> AhciState:
        return AhciState(self.function.save(), self._control, self._status, [port.save() for port in self.ports])

    def restore(self, state: AhciState) -> None:
        if len(state.ports) != len(self.ports):
            raise ValueError(f"an adapter of {len(self.ports)} ports has no state of {len(state.ports)}")
        self.function.restore(state.function)
        self._control, self._status = state.control, state.status
        for port, saved in zip(self.ports, state.ports, strict=True):
            port.restore(saved)

    def describe(self, now: int) -> Rows:
        interrupts = "enabled" if self._control & Ghc.IE else "disabled"
        rows: Rows = [*function_rows(self.function), ("interrupts", f"{interrupts}, pending {self._status:#x}")]
        for port in self.ports:
            rows += _port_rows(port)
        return rows


def _port_rows(port: AhciPort) -> Rows:
    state, title = port.state, f"port {port.number}"
    status = Status(state.tfd & 0xFF)
    running = "running" if state.cmd & Cmd.ST else "stopped"
    rows: Rows = [
        (title, port.unit.name if port.unit is not None else "nothing"),
        (f"{title} state", f"{running}, status {int(status):#04x} {status.name or ''}".rstrip()),
        (f"{title} commands", f"issued {state.issued:#010x}, list at {state.clb:#x}"),
    ]
    if state.work is not Work.IDLE:
        rows.append((f"{title} request", f"slot {state.slot}: {port.request}"))
    return rows
