"""A network device on a cable, with memory that its driver and it share, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devices.network.cable import Cable
from devices.network.inputs import FrameInput
from devices.network.models import fitter
from devices.network.net import NicModel
from devices.scheduler import Scheduler
from tests.devices.conformance import BenchSlot
from tests.devices.disk.bench import Memory

MAC = bytes.fromhex("525400123456")
COMMAND, MASTER = 4, 0x107
MEMORY = 1 << 20


@dataclass
class NicSlot(BenchSlot):
    ram: Memory = field(default_factory=lambda: Memory(bytearray(MEMORY)))

    def bus_master(self) -> Any:
        return self.ram


class NicBench:
    """`sent` is what has come to the far end of the cable."""

    def __init__(self, model: NicModel) -> None:
        self.scheduler = Scheduler()
        self.slot = NicSlot("net0", self.scheduler)
        self.memory = self.slot.ram
        self.cable = Cable("net0", self.scheduler.timer("net0-cable"))
        self.nic: Any = fitter(model)(self.slot, self.cable, MAC)
        self.sent: list[bytes] = []
        self.cable.outlet = self
        self.now = 0
        self.nic.function.write_config(COMMAND, 2, MASTER)

    def transmit(self, number: int, frame: bytes, now: int) -> None:
        """devices.network.wire.Outlet."""
        self.sent.append(frame)

    @property
    def interrupt(self) -> bool:
        return self.slot.outputs[-1].level

    def arrive(self, *frames: bytes, wait: int = 1_000_000) -> None:
        for frame in frames:
            self.cable.take(FrameInput("net0-cable", frame), self.now)
        self.wait(wait)

    def wait(self, nanoseconds: int) -> None:
        end = self.now + nanoseconds
        for _ in range(100_000):
            due = self.scheduler.next_due()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(due, self.now)
            event = self.scheduler.pop_due(self.now)
            assert event is not None
            {"net0": self.nic, "net0-cable": self.cable}[event.owner].on_event(event.name, self.now)
        raise AssertionError("deadlines without end")
