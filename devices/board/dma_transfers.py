"""An 8237A that devices are at: what its channels move, in deadlines of the devices that ask.

Source: Intel 8237A data sheet; IBM AT Technical Reference for the page registers. Of the modes demand, single and block
are the same here: a device asks for as much as it has. The second controller, whose channel 4 has the first one's
requests, is taken to let them through, as firmware leaves it; transfers from memory to memory, and those that software
requests, do not start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.board.dma import Dma8237A, DmaState
from devices.copied import copied
from devices.seam import BusMaster, DmaChannel

_DISABLED = 0x04
"""Of the command register."""
_AUTOINITIALIZE, _DECREMENT = 0x10, 0x20
_TRANSFER, _TO_MEMORY, _FROM_MEMORY = 0x0C, 0x04, 0x08
_CASCADE = 0xC0
_PAGE = 0x1_0000


@dataclass(slots=True)
class DmaTransfersState(DmaState):
    """`registers` are the base ones. `reached` has a bit for each channel at terminal count, until it is read."""

    current: list[int] = field(default_factory=lambda: [0] * 8)
    reached: int = 0


class TransferringDma(Dma8237A):
    """The first controller, whose channels move bytes within 64 KiB. `page` has address bits 16 to 23 of a channel."""

    State: ClassVar[type[DmaTransfersState]] = DmaTransfersState

    def __init__(self, name: str, page: Callable[[int], int]) -> None:
        super().__init__(name, 1)
        self._page = page
        self._state: DmaTransfersState = DmaTransfersState()

    def channel(self, number: int, memory: BusMaster) -> DmaChannel:
        """For the device at that channel, which reaches memory by `memory`."""
        return _Channel(self, number, memory)

    def accepts(self, channel: int) -> bool:
        """Whether a request is answered."""
        s = self._state
        masked = s.mask >> channel & 1 or s.command & _DISABLED
        return not masked and s.modes[channel] & _CASCADE != _CASCADE

    def mode(self, channel: int) -> int:
        return self._state.modes[channel]

    def advance(self, channel: int, size: int) -> tuple[list[tuple[int, int]], bool]:
        """Count so many bytes, one at least, to terminal count at most.

        Where they are, as runs of physical address and size; and whether that was the terminal count. An address that
        falls from byte to byte gives runs of one.
        """
        s = self._state
        base, current = s.registers, s.current
        at, count = 2 * channel, 2 * channel + 1
        moved = min(size, current[count] + 1)
        page = self._page(channel) << 16
        down = bool(s.modes[channel] & _DECREMENT)
        runs = _falling(current[at], moved) if down else _rising(current[at], moved)
        current[at] = (current[at] - moved if down else current[at] + moved) % _PAGE
        current[count] = (current[count] - moved) % _PAGE
        reached = current[count] == _PAGE - 1
        if reached:
            s.reached |= 1 << channel
            s.requests &= ~(1 << channel)
            if s.modes[channel] & _AUTOINITIALIZE:
                current[at], current[count] = base[at], base[count]
            else:
                s.mask |= 1 << channel
        return [(page | start, length) for start, length in runs], reached

    def save(self) -> DmaTransfersState:
        return copied(self._state)

    def restore(self, state: DmaState) -> None:
        assert isinstance(state, DmaTransfersState)
        self._state = copied(state)

    @property
    def _current(self) -> list[int]:
        return self._state.current

    @property
    def _loaded(self) -> tuple[list[int], ...]:
        return self._state.registers, self._state.current

    def _take_reached(self) -> int:
        reached, self._state.reached = self._state.reached, 0
        return reached


def _rising(start: int, size: int) -> list[tuple[int, int]]:
    """The address wraps within its 64 KiB."""
    first = min(size, _PAGE - start)
    return [(start, first), *([(0, size - first)] if size > first else [])]


def _falling(start: int, size: int) -> list[tuple[int, int]]:
    return [((start - number) % _PAGE, 1) for number in range(size)]


@dataclass(frozen=True, slots=True)
class _Channel:
    """devices.seam.DmaChannel."""

    controller: TransferringDma
    number: int
    memory: BusMaster

    def store(self, data: bytes, request: str = "") -> tuple[int, bool]:
        if not self.controller.accepts(self.number):
            return 0, False
        to_memory = self.controller.mode(self.number) & _TRANSFER == _TO_MEMORY
        runs, reached = self.controller.advance(self.number, len(data))
        done = 0
        for address, size in runs:
            if to_memory:
                self.memory.write(address, data[done : done + size], request)
            done += size
        return done, reached

    def load(self, size: int, request: str = "") -> tuple[bytes, bool]:
        if not self.controller.accepts(self.number):
            return b"", False
        from_memory = self.controller.mode(self.number) & _TRANSFER == _FROM_MEMORY
        runs, reached = self.controller.advance(self.number, size)
        if not from_memory:
            return b"\xff" * sum(length for _, length in runs), reached
        return b"".join(self.memory.read(address, length, request) for address, length in runs), reached
