"""A VGA on a board of its own, reached as QemuVga is."""

from __future__ import annotations

from devices.display.frame import Frame
from devices.display.vga import APERTURES, Vga
from devices.display.vga_picture import vga_picture
from devices.scheduler import Scheduler
from devices.seam import AddressedDevice
from devices.wiring.bus import PortBus
from tests.devices.conformance import BenchMemory, BenchSlot, Moves
from tests.devices.display.qemu_vga import BAR0, BAR2

AREA = range(0xA0000, 0xC0000)


class _Slot(BenchSlot):
    """Ports are those of a bus."""

    def __init__(self) -> None:
        super().__init__(Vga.name, Scheduler())
        self.ports = PortBus()

    def claim_ports(self, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        self.ports.claim(ports, part, self.name, wide=wide)


class VgaBench:
    """`now` is the same for all accesses."""

    def __init__(self) -> None:
        self._slot = _Slot()
        self.vga = Vga(self._slot, b"")
        self.ports = self._slot.ports
        self.now = 0

    def read_port(self, port: int, size: int) -> int:
        return self.ports.read(port, size, self.now)

    def write_port(self, port: int, size: int, value: int) -> None:
        self.ports.write(port, size, value, self.now)

    @property
    def memory(self) -> BenchMemory:
        return self._slot.memories[0]

    def read_memory(self, address: int, size: int) -> int:
        if address >= BAR2:
            return self._bar2.read(address - BAR2, size, self.now)
        asked = self._asked(address)
        if asked is not None and self._asked(address + size - 1) is not None and self._direct(address) is None:
            return asked[0].read(asked[1], size, self.now)
        return int.from_bytes(b"".join(self._byte(address + lane) for lane in range(size)), "little")

    def write_memory(self, address: int, size: int, value: int) -> None:
        if address >= BAR2:
            self._bar2.write(address - BAR2, size, value, self.now)
            return
        asked = self._asked(address)
        if asked is not None and self._asked(address + size - 1) is not None and self._direct(address) is None:
            asked[0].write(asked[1], size, value, self.now)
            return
        for lane in range(size):
            self._store(address + lane, value >> 8 * lane & 0xFF)

    def store(self, address: int, data: bytes) -> None:
        self.memory.write(address - BAR0, data)

    def load(self, address: int, size: int) -> bytes:
        return self.memory.read(address - BAR0, size)

    def picture(self) -> Frame:
        return vga_picture(self.vga, self.now)

    @property
    def _bar2(self) -> AddressedDevice:
        return self._slot.windows[len(APERTURES)].device

    def _direct(self, address: int) -> int | None:
        """Where in memory the guest finds it without asking."""
        if address >= BAR0:
            return address - BAR0
        window = self.memory.windows[0]
        if window.start is not None and window.start <= address < window.start + 0x10000:
            return window.offset + address - window.start
        return None

    def _asked(self, address: int) -> tuple[AddressedDevice, int] | None:
        for number, (start, size) in enumerate(APERTURES):
            moves: Moves = self._slot.moved[number]
            if moves.start is not None and start <= address < start + size:
                return self._slot.windows[number].device, address - start
        return None

    def _byte(self, address: int) -> bytes:
        at = self._direct(address)
        if at is not None:
            return self.memory.read(at, 1)
        asked = self._asked(address)
        return b"\xff" if asked is None else bytes((asked[0].read(asked[1], 1, self.now),))

    def _store(self, address: int, value: int) -> None:
        at = self._direct(address)
        if at is not None:
            self.memory.write(at, bytes((value,)))
        elif (asked := self._asked(address)) is not None:
            asked[0].write(asked[1], 1, value, self.now)
