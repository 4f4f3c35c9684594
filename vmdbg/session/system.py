"""The guest's operating system at the instant that the session looks at."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.memory import paging_of
from vmdbg.errors import UserError, VmdbgError
from vmdbg.os.detect import Detection
from vmdbg.os.seam import CallFrames, CpuView, CurrentLocator, CurrentTask, OperatingSystem, Task, is_called
from vmdbg.session.moments import Moments, Standing
from vmdbg.units import CpuId, Tick
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import PhysicalMemory


class StoppedCpu:
    """vmdbg.os.seam.CpuView of any CPU, whichever is looked at."""

    def __init__(self, guest: Guest, cpu: CpuId) -> None:
        self._guest = guest
        self._cpu = cpu

    @property
    def paging(self) -> Paging:
        with self._guest.of(self._cpu):
            return paging_of(self._guest.engine)

    def register(self, name: str) -> int:
        return self._guest.cpus[self._cpu].read(name)


class StoppedGuest:
    """vmdbg.os.seam.GuestView of a machine as it stands."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    @property
    def tick(self) -> Tick:
        return self._guest.machine.clock

    @property
    def ram_size(self) -> int:
        return self._guest.engine.ram_size

    @property
    def memory(self) -> PhysicalMemory:
        return self._guest.physical

    @property
    def cpus(self) -> Sequence[CpuView]:
        return [StoppedCpu(self._guest, CpuId(cpu)) for cpu in range(len(self._guest.cpus))]

    @property
    def paging(self) -> Paging:
        return paging_of(self._guest.engine)

    def register(self, name: str) -> int:
        return self._guest.cpu.read(name)


class GuestSystem:
    """Finds the operating system again whenever the guest has moved or was written; remembers that there is none."""

    def __init__(self, guest: Guest, moments: Moments) -> None:
        self._guest = guest
        self._moments = moments
        self.call_frames: CallFrames | None = None
        """Asked before the system's own unwind tables."""
        self.detection = Detection()
        self._seen: tuple[Standing, bool, Detection] | None = None
        self._found: OperatingSystem | None = None
        self._error: VmdbgError | None = None
        self._locator: tuple[Tick, CurrentLocator] | None = None
        self.enabled = True

    def find(self) -> OperatingSystem | None:
        """None if no operating system is known here, or it cannot be read yet."""
        if not self.enabled:
            return None
        known = self.known
        if known != self._seen:
            self._seen = known
            try:
                self._detect()
            except BaseException:  # somebody did not want to wait: what was not looked for is not known to be missing
                self._seen = None
                raise
        return self._found

    @property
    def known(self) -> tuple[Standing, bool, Detection]:
        """As long as it stays equal, so does what is found, and all that can be told of the guest by it."""
        return self._moments.standing, self.enabled, self.detection

    @property
    def was_found(self) -> bool:
        """Whether one was, where it was last looked for: without looking."""
        return self._found is not None

    def _detect(self) -> None:
        self._found, self._error = None, None
        try:
            self._found = self.detection.detect(StoppedGuest(self._guest))
            if self._found is not None:
                self._found.call_frames = self.call_frames
        except VmdbgError as error:
            self._error = error

    def need(self) -> OperatingSystem:
        """Raises UserError, or what the guest's tables have wrong."""
        found = self.find()
        if found is not None:
            return found
        if self._error is not None:
            raise self._error
        titles = ", ".join(system.title for system in self.detection.known)
        unknown = f"no operating system that vmdbg knows ({titles}) is found in this guest"
        mode = self._guest.cpu.mode
        early = f"the CPU is in {mode.value} mode; if one is booting, let it run further"
        raise UserError(unknown if mode.is_long else f"{unknown}: {early}")

    def named(self, wanted: str) -> Task:
        """A task by PID or name. Raises UserError, or what the guest's tables have wrong."""
        for task in self.need().tasks():
            if str(task.pid) == wanted or is_called(task.name, wanted):
                return task
        raise UserError(f"there is no task {wanted!r}; ps lists them")

    def why_nobody(self, wanted: str) -> str:
        """What is to be said of a PID or name that is waited for and that nobody has now; "" where somebody does."""
        try:
            tasks = self.need().tasks()
        except VmdbgError:
            return ""
        if any(wanted in (str(task.pid), str(task.process)) or is_called(task.name, wanted) for task in tasks):
            return ""
        return f"no process {'has the number' if wanted.isdigit() else 'is called'} {wanted} yet; it is waited for"

    def task(self) -> Task | None:
        """The task of the CPU that is looked at; None where that cannot be told."""
        found = self.find()
        try:
            return found.current() if found is not None else None
        except VmdbgError:
            return None

    def running(self) -> CurrentTask | None:
        """Who runs, in three reads of memory once the kernel is known: for conditions at busy places."""
        if self._locator is None or self._guest.machine.clock < self._locator[0]:
            self._locator = self._locate()
        if self._locator is not None:
            return self._locator[1].read(self._guest.physical, self._guest.cpu.read)
        task = self.task()
        return CurrentTask(task.address, task.pid, task.process, task.name) if task is not None else None

    def _locate(self) -> tuple[Tick, CurrentLocator] | None:
        """Good from here on: earlier the kernel may not have been where it is now."""
        found = self.find()
        try:
            return (self._guest.machine.clock, found.current_locator()) if found is not None else None
        except VmdbgError:
            return None
