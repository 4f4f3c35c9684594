"""The ground-truth guest on our own machine, with its history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.vmdbg.os.engine_view import EngineView
from tests.vmdbg.os.kernels import Kernel
from tests.vmdbg.os.qemu_guest import DumpView, FileMemory, Truth, initial_ramdisk
from vmdbg.engine.stops import Breakpoints
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.outcome import Outcome
from vmdbg.os.linux.operating_system import Linux, LinuxDetector
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

SLICE = 20_000_000
LONGEST_BOOT = 60_000_000_000
END = b"=== end"
ZERO = Tick(0)


@dataclass
class OwnGuest:
    """A guest that can be at any instant of its history."""

    timeline: Timeline
    printed: bytearray
    detector: LinuxDetector
    ready: Tick = ZERO
    said: Truth = field(default_factory=lambda: Truth(""))

    @property
    def view(self) -> EngineView:
        return EngineView(self.timeline.machine.engine)

    def linux(self) -> Linux:
        """Linux at this instant. Fails the test if there is none."""
        found = self.detector.detect(self.view)
        assert found is not None
        return found

    def run(self, ticks: int) -> object:
        return self.timeline.run(Tick(self.timeline.position.tick + ticks))

    def run_to(self, *addresses: Linear) -> Outcome | object:
        """Until one of these is about to be executed."""
        engine = self.timeline.machine.engine
        engine.set_breakpoints(Breakpoints(linear=addresses))
        outcome: object = self.timeline.step() if engine.read_register("rip") in addresses else None
        try:
            for _ in range(500):
                outcome = self.timeline.run(Tick(self.timeline.position.tick + 10 * SLICE))
                if engine.read_register("rip") in addresses:
                    return outcome
        finally:
            engine.set_breakpoints(Breakpoints())
        raise AssertionError(f"none of the addresses was reached: {outcome}")

    def frozen(self) -> DumpView:
        """A copy of this instant that outlives the machine."""
        machine, view = self.timeline.machine, self.view
        registers = {name: view.register(name) for name in (*machine.engine.register_names, "cpl")}
        return DumpView(FileMemory(bytes(machine.engine.ram)), registers, machine.clock)


@contextmanager
def started(
    kernel: Kernel, arguments: str = "", printed: bytearray | None = None, *, via_decompressor: bool = False
) -> Iterator[OwnGuest]:
    """At its first instruction. The decompressor chooses where the kernel goes; without it there is no choice."""
    files = GuestFiles(
        kernel=str(kernel.image),
        initrd=str(initial_ramdisk(kernel)),
        append=arguments,
        via_decompressor=via_decompressor,
    )
    machine = start(files, MachineConfig()).machine
    output = bytearray() if printed is None else printed
    machine.serial[1].listeners.append(lambda _port, data, _now: output.extend(data))
    guest = OwnGuest(Timeline(machine), output, LinuxDetector())
    try:
        yield guest
    finally:
        guest.timeline.close()
        machine.close()


def boot(guest: OwnGuest) -> None:
    """Run until the guest has printed the truth."""
    while END not in guest.printed:
        assert guest.timeline.position.tick < LONGEST_BOOT, bytes(guest.printed[-500:])
        guest.run(SLICE)
    guest.run(SLICE)
    guest.said = Truth(guest.printed.decode("utf-8", "replace"))
    guest.ready = guest.timeline.position.tick
