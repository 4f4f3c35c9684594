"""A keyboard controller with nothing else on the board."""

from __future__ import annotations

from devices.keyboard.i8042 import I8042
from devices.scheduler import Scheduler
from tests.devices.conformance import RecordingLine

OBF = 0x01
AUX_OBF = 0x20
TIMEOUT = 0x40


class Bench:
    kind: type[I8042] = I8042

    def __init__(self) -> None:
        self.irq1 = RecordingLine()
        self.irq12 = RecordingLine()
        self.a20 = RecordingLine(level=True)
        self.reset = RecordingLine()
        self.scheduler = Scheduler()
        self.now = 0
        self.chip = self.kind(self.irq1, self.irq12, self.a20, self.reset, self.scheduler.timer(I8042.name))

    def command(self, value: int, *data: int) -> None:
        self.chip.command.write(0, 1, value, self.now)
        for byte in data:
            self.send(byte)

    def send(self, value: int) -> None:
        self.chip.data.write(0, 1, value, self.now)

    def status(self) -> int:
        return self.chip.command.read(0, 1, self.now)

    def get(self) -> int:
        assert self.status() & OBF
        return self.chip.data.read(0, 1, self.now)

    def wait(self, nanoseconds: int) -> None:
        """Deadlines come when they are due."""
        end = self.now + nanoseconds
        while (due := self.scheduler.next_due()) is not None and due <= end:
            self.now = due
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.chip.on_event(event.name, due)
        self.now = end

    def drain(self) -> list[int]:
        got = []
        while self.status() & OBF:
            got.append(self.get())
            assert len(got) < 100
        return got

    def command_byte(self) -> int:
        self.command(0x20)
        return self.get()
