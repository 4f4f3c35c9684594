"""What a device is given and what it must offer.

Time is an integer handed in: nanoseconds of guest time, called `now`. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, runtime_checkable

NANOSECONDS_PER_SECOND = 1_000_000_000


class Line(Protocol):
    """An interrupt, reset or gate line. The receiver keeps the level; setting the same level again is harmless."""

    def set(self, level: bool) -> None: ...


class Timer(Protocol):
    """Named deadlines of one device. Scheduling a name again moves it; cancelling an unknown name does nothing."""

    def schedule(self, name: str, due: int) -> None: ...

    def cancel(self, name: str) -> None: ...


class AddressedDevice(Protocol):
    """A device behind I/O ports or memory. `offset` is from the start of its window, `size` is 1, 2, 4 or 8 bytes.

    A read returns an unsigned value of `size` bytes, little-endian. Undefined registers float high.
    """

    def read(self, offset: int, size: int, now: int) -> int: ...

    def write(self, offset: int, size: int, value: int, now: int) -> None: ...


class Window(Protocol):
    """A part of ports or physical memory that a device answers at, and that it can move: a base address register's.

    Any address may be asked for, for guests do: what lies beyond the address space is nowhere. Where several answer, a
    claim that does not move comes first, and of windows the one that was made first, wherever they were before.
    """

    @property
    def start(self) -> int | None:
        """None: off."""
        ...

    def move(self, start: int | None) -> None: ...


class BusMaster(Protocol):
    """A device's own way to memory (DMA), by physical address. Used in deadlines of the scheduler only.

    Nothing that a guest chooses raises: what is no memory reads as ones, and what is written there goes nowhere.
    `request` says to people what the access is for, as `read of sector 63`.
    """

    def read(self, address: int, size: int, request: str = "") -> bytes:
        """`size` bytes. A device bounds what a guest can have it ask for at once."""
        ...

    def write(self, address: int, data: bytes, request: str = "") -> None: ...

    def gather(self, places: Iterable[tuple[int, int]], request: str = "") -> list[bytes]:
        """As read() of each address and size, one after the other, and cheaper."""
        return [self.read(address, size, request) for address, size in places]

    def scatter(self, pieces: Iterable[tuple[int, bytes]], request: str = "") -> None:
        """As write() of each address and what goes there, one after the other, and cheaper."""
        for address, data in pieces:
            self.write(address, data, request)

    def look(self, address: int, size: int) -> bytes:
        """As read(), for Device.describe(): at any time, and nobody hears of it."""
        ...


class DmaChannel(Protocol):
    """A channel of the board's DMA controllers, as the device at it has it. Used in deadlines of the scheduler only.

    How many bytes move is software's: none where the channel is masked, and no more than up to terminal count.
    """

    def store(self, data: bytes, request: str = "") -> tuple[int, bool]:
        """Ask to store one byte or more; how many were taken, and whether the last was at terminal count."""
        ...

    def load(self, size: int, request: str = "") -> tuple[bytes, bool]:
        """Ask for `size` bytes, one at least; those that came, and whether the last was at terminal count."""
        ...


class Pages(Protocol):
    """Much state of a device: megabytes to terabytes that are zeros at first, and cost only where they are not.

    It is part of checkpoints, snapshots, recordings and digests, by pages of 4 KiB, as RAM is: what that costs depends
    on what has changed. The machine puts it back beside the device's own state, before or after that: `restore` does
    not look at it.
    """

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Raises ValueError beyond the end."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Raises ValueError beyond the end."""
        ...


class MemoryWindow(Window, Protocol):
    """A window through which the guest has a device's memory itself."""

    def aim(self, offset: int) -> None:
        """Have it show what begins there, as a bank register does. Raises ValueError beyond the end."""
        ...


@runtime_checkable
class DeviceMemory(Protocol):
    """Memory of a device, zeros at first: the guest reads, writes and runs it as fast as RAM where a window has it.

    Part of checkpoints, recordings and digests by page, as RAM is; put back beside the device's state: `restore` does
    not look at it, and moves windows as it does all. Reached from the machine's first instant on.
    """

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Raises ValueError beyond the end."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Raises ValueError beyond the end."""
        ...

    def window(self, size: int, offset: int = 0, stores: AddressedDevice | None = None) -> MemoryWindow:
        """`size` bytes from `offset` on, off at first. With `stores`, that gets what is written, as a flash does."""
        ...


@runtime_checkable
class EventDevice(Protocol):
    """A device with deadlines: called when the deadline `name` that it scheduled has come."""

    def on_event(self, name: str, now: int) -> None: ...


Rows = list[tuple[str, str]]
"""Registers and what they hold, in the words of the data sheet."""


class Device(Protocol):
    """What every device of the board is: a name, and one plain dataclass that is its whole guest-visible state.

    `title` is what lists say of it. `save` returns an independent copy; `restore` takes one over without touching
    lines, timers or backends: the machine saves and restores those beside it. Windows it moves to where its registers
    say. `Any` is each device's own `State`.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    State: ClassVar[type[Any]]

    def save(self) -> object: ...

    def restore(self, state: Any) -> None: ...

    def describe(self, now: int) -> Rows:
        """The registers at `now`; shows, and changes nothing."""
        ...


class DeviceInput(Protocol):
    """What reaches a device from outside: a frozen dataclass of plain values, declared beside the device.

    It is recorded by the name of its class and its fields. Raises ValueError when made of values that make no sense.
    """

    @property
    def device(self) -> str:
        """The name of the device that takes it."""
        ...


@runtime_checkable
class InputDevice(Device, Protocol):
    """A device that takes inputs, of the classes in INPUTS; `Any` is one of those."""

    INPUTS: ClassVar[tuple[type[DeviceInput], ...]]

    def take(self, data: Any, now: int) -> None: ...
