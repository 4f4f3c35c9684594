"""A second operating system, of two tasks: what a session needs of one and no more."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.os.detect import Detection, KnownSystem
from vmdbg.os.seam import (
    Backtrace,
    CallFrames,
    CurrentLocator,
    CurrentTask,
    Detector,
    GuestView,
    Location,
    OperatingSystem,
    ReadRegister,
    Symbol,
    Symbols,
    Task,
)
from vmdbg.session.system import GuestSystem
from vmdbg.units import Linear
from vmdbg.x86.physical_memory import PhysicalMemory

TABLE = Linear(0x5000)
TASKS = (
    Task(1, 1, 0, "init", "S", TABLE, 0, is_kernel=False, is_current=False, depth=0),
    Task(7, 7, 1, "shell-of-fifteen"[:15], "R", Linear(TABLE + 64), 5, is_kernel=False, is_current=True, depth=1),
)


class Names:
    """One name."""

    def find(self, name: str) -> Linear | None:
        return TABLE if name == "proc_table" else None

    def address_of(self, name: str) -> Linear:
        found = self.find(name)
        assert found is not None
        return found

    def nearest(self, address: int) -> Location | None:
        return Location(Symbol("proc_table", TABLE, 128, "d"), address - TABLE) if 0 <= address - TABLE < 128 else None

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        return ["proc_table"] if "proc_table".startswith(prefix) else []


class Locator:
    """Always the same."""

    def read(self, memory: PhysicalMemory, register: ReadRegister) -> CurrentTask | None:
        return CurrentTask(TASKS[1].address, 7, 7, TASKS[1].name)


class Other:
    """vmdbg.os.seam.OperatingSystem."""

    name = "Other 1.0"

    def __init__(self) -> None:
        self.call_frames: CallFrames | None = None

    @property
    def symbols(self) -> Symbols:
        return Names()

    def tasks(self) -> Sequence[Task]:
        return TASKS

    def current(self) -> Task:
        return TASKS[1]

    def running(self) -> Sequence[Task]:
        return TASKS[1:]

    def current_locator(self) -> CurrentLocator:
        return Locator()

    def backtrace(self, task: Task | None = None) -> Backtrace:
        return Backtrace((), True, "")


class OtherDetector:
    """Counts how often it was asked; `error` is raised if there is one."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: BaseException | None = None

    def detect(self, view: GuestView) -> OperatingSystem | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Other()


def use(system: GuestSystem, detector: Detector) -> None:
    """Have the session know that system alone."""
    system.detection = Detection([KnownSystem("Other", lambda _: True, lambda: detector)])
