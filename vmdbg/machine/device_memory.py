"""Memory that belongs to a device, such as a screen's: the guest has it at windows, at the speed of RAM."""

from __future__ import annotations

from devices.seam import AddressedDevice
from devices.wiring.claims import Claim
from devices.wiring.memory_bus import MemoryBus
from vmdbg.engine.memory import PhysicalMemory


class BoardMemory:
    """devices.seam.DeviceMemory: `size` bytes from `at` on in the engine's memory."""

    def __init__(self, bus: MemoryBus, at: int, size: int, name: str) -> None:
        self.engine: PhysicalMemory | None = None
        """Set before the machine runs."""
        self.at = at
        self.size = size
        self._bus = bus
        self.name = name
        self._windows: list[BoardMemoryWindow] = []

    def read(self, offset: int, size: int) -> bytes:
        self._check(offset, size)
        return self._memory.read_memory(self.at + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self._check(offset, len(data))
        self._memory.write_memory(self.at + offset, data)

    def window(self, size: int, offset: int = 0, stores: AddressedDevice | None = None) -> BoardMemoryWindow:
        self._check(offset, size)
        window = BoardMemoryWindow(self, self._bus, Mapped(self, offset, size, stores), self.name)
        self._windows.append(window)
        return window

    def claims(self) -> list[Claim]:
        """Of its windows that are somewhere."""
        return [window.claim for window in self._windows if window.claim is not None]

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= self.size:
            raise ValueError(f"{self.name}: {size} bytes at {offset:#x} of {self.size:#x} bytes of memory")

    @property
    def _memory(self) -> PhysicalMemory:
        assert self.engine is not None, f"{self.name}: memory is reached before the machine is put together"
        return self.engine


class Mapped:
    """The part behind a window: what the guest has not got directly, as pages that others share, comes here."""

    def __init__(self, memory: BoardMemory, offset: int, size: int, stores: AddressedDevice | None) -> None:
        self.memory = memory
        self.offset = offset
        self.size = size
        self.stores = stores
        self.start: int | None = None
        """Where the window begins."""

    def place_of(self, address: int) -> int | None:
        """Where what is at a physical address lies in the engine's memory."""
        return None if self.start is None else self.memory.at + self.offset + address - self.start

    def read(self, offset: int, size: int, now: int) -> int:
        return int.from_bytes(self.memory.read(self.offset + offset, size), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if self.stores is not None:
            self.stores.write(offset, size, value, now)
        else:
            self.memory.write(self.offset + offset, value.to_bytes(size, "little"))


class BoardMemoryWindow:
    """devices.seam.MemoryWindow."""

    def __init__(self, memory: BoardMemory, bus: MemoryBus, part: Mapped, name: str) -> None:
        self._memory = memory
        self._part = part
        self._window = bus.window(part.size, part, name)

    @property
    def start(self) -> int | None:
        return self._window.start

    @property
    def claim(self) -> Claim | None:
        return self._window.claim

    def move(self, start: int | None) -> None:
        self._part.start = start
        self._window.move(start)

    def aim(self, offset: int) -> None:
        """Have the window show what begins there."""
        if offset == self._part.offset:
            return
        if not 0 <= offset <= self._memory.size - self._part.size:
            raise ValueError(f"a window of {self._part.size:#x} bytes cannot show what begins at {offset:#x}")
        start = self.start
        self.move(None)
        self._part.offset = offset
        self.move(start)
