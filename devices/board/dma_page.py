"""DMA page registers of an AT, ports 80h to 8Fh: sixteen latches, the first of which takes POST codes.

Source: IBM AT Technical Reference, DMA page registers (74LS612). A write to port 80h is also the classic I/O
delay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Rows

DMA_PAGE_PORTS = range(0x80, 0x90)
POST = 0x0

CHANNELS = {0x7: 0, 0x3: 1, 0x1: 2, 0x2: 3, 0xB: 5, 0x9: 6, 0xA: 7}
"""Offset of the latch that holds address bits 16-23 of a DMA channel."""


@dataclass(slots=True)
class DmaPageState:
    latches: list[int] = field(default_factory=lambda: [0] * len(DMA_PAGE_PORTS))


class DmaPage:
    name = "dma-page"
    title = "page registers of the DMA controllers"
    State: ClassVar[type[DmaPageState]] = DmaPageState

    def __init__(self) -> None:
        self._state = DmaPageState()

    def read(self, offset: int, size: int, now: int) -> int:
        return self._state.latches[offset]

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._state.latches[offset] = value & 0xFF

    def page(self, channel: int) -> int:
        """Address bits 16 to 23 of a channel."""
        return next(self._state.latches[at] for at, number in CHANNELS.items() if number == channel)

    def save(self) -> DmaPageState:
        return copied(self._state)

    def restore(self, state: DmaPageState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        latches = self._state.latches
        pages = [(f"channel {channel} page", f"{latches[at]:02x}") for at, channel in CHANNELS.items()]
        return [("POST code", f"{latches[POST]:02x}"), *pages]
