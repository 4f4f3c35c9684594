"""Linux behind the seam of operating systems: one object per stopped instant, made by `LinuxDetector`."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import islice

from vmdbg.c.types import AGGREGATES, NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.os.linux import (
    bios,
    current_locator,
    dmesg,
    files,
    gdb_elf,
    info,
    irqs,
    locks,
    maps,
    modules,
    mounts,
    oops,
    run_queues,
    slab,
    syscall_points,
    tasks,
    timers,
    user_programs,
)
from vmdbg.os.linux.cache import Cache
from vmdbg.os.linux.call_queues import CallQueues, call_queues
from vmdbg.os.linux.calling import ARGUMENT_REGISTERS, passed_in_registers
from vmdbg.os.linux.discover import Boot, Discoverer
from vmdbg.os.linux.kernel import Kernel
from vmdbg.os.linux.lock_spinners import Spin, spinners
from vmdbg.os.linux.namespace import Namespace
from vmdbg.os.linux.orc import OrcTables, Table
from vmdbg.os.linux.symbols import LinuxSymbols, NoSuchSymbolError
from vmdbg.os.linux.syscalls import Invocation, SystemCalls
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import Backtrace, CallFrames, Frame, FrameKind, GuestView, Task
from vmdbg.units import Linear

LINKED_TEXT = 0xFFFF_FFFF_8100_0000
"""`_text` of a kernel with the usual CONFIG_PHYSICAL_START of 16 MiB."""

SYSCALL_ENTRY = "entry_SYSCALL_64"
LAST_CALL = 1 << 31
LOADING = ("parse_args", "do_init_module", "finalize_exec")


class Linux:
    """Everything the kernel knows, at the instant of its view. Also an `OperatingSystem`."""

    def __init__(self, kernel: Kernel, boot: Boot, unwind_table: Table | None = None) -> None:
        self.kernel = kernel
        self.boot = boot
        self._unwind_table = unwind_table
        self.call_frames: CallFrames | None = None
        """Asked before the kernel's own unwind tables, if set before the first backtrace."""
        self.system_calls = SystemCalls(kernel)

    @property
    def name(self) -> str:
        return self.kernel.string(self.kernel.symbol("linux_banner")).strip()

    @property
    def symbols(self) -> LinuxSymbols:
        return self.kernel.symbols

    @cached_property
    def unwinder(self) -> Unwinder:
        try:
            tables = OrcTables(self.kernel, self._unwind_table)
        except (NoSuchSymbolError, NoSuchTypeError):
            tables = None
        return Unwinder(self.kernel, tables, self.call_frames)

    @cached_property
    def names(self) -> Namespace:
        """Functions over the kernel's types and containers, for prompts and scripts."""
        return Namespace(self.kernel)

    @property
    def known_unwind_table(self) -> Table | None:
        """The kernel's own, once it has been read."""
        unwinder = self.__dict__.get("unwinder")
        return unwinder.tables.core if unwinder and unwinder.tables else self._unwind_table

    def tasks(self) -> tuple[Task, ...]:
        return tasks.tasks(self.kernel)

    def current(self) -> Task:
        return tasks.current(self.kernel)

    def running(self) -> tuple[Task, ...]:
        return tasks.running(self.kernel)

    def current_locator(self) -> current_locator.CurrentLocator:
        """A quick way to the current task, good at every instant of this boot."""
        return current_locator.current_locator(self.kernel)

    def call_queues(self) -> CallQueues | None:
        """Where CPUs find what others have them run; None where there is one CPU alone."""
        return call_queues(self.kernel, self.current_locator())

    def bio_locator(self) -> bios.BioLocator | None:
        """What the kernel asks of its disks, good at every instant of this boot; None for kernels that have none."""
        return bios.bio_locator(self.kernel)

    def task(self, pid: int) -> Value:
        """The `struct task_struct` of a thread. Raises `UserError` if there is none."""
        return tasks.find_task(self.kernel, pid)

    @guarded("stack")
    def backtrace(self, task: Task | None = None) -> Backtrace:
        """Of a task that another CPU runs, from that CPU's registers on."""
        wanted = self.current() if task is None else task
        value = self.kernel.object("struct task_struct", wanted.address)
        if wanted.is_current:
            return self._with_arguments(self.unwinder.current(value, self.kernel.view), value)
        if wanted.is_running:
            cpu = self.kernel.processors.views.get(wanted.cpu)
            if cpu is None:
                raise UserError(f"{wanted.name} ({wanted.pid}) runs on CPU {wanted.cpu}, whose registers are not known")
            return self._with_arguments(self.unwinder.current(value, cpu), value)
        return self._with_arguments(self.unwinder.sleeping(value), value)

    def _with_arguments(self, trace: Backtrace, task: Value) -> Backtrace:
        frames = trace.frames
        pairs = zip((None, *frames), frames, strict=False)
        shown = (self._frame_with_arguments(inner, frame, task) for inner, frame in pairs)
        return Backtrace(tuple(shown), trace.complete, trace.stopped)

    def _frame_with_arguments(self, inner: Frame | None, frame: Frame, task: Value) -> Frame:
        """At a function's first instruction its arguments are still where the ABI puts them; the outermost
        frame of a system call has the registers it was made with."""
        shown: tuple[tuple[str, str], ...] = ()
        if inner is not None and _made_system_call(inner, frame):
            call = self.invocation(frame.registers, task)
            shown = (("system call", str(call)),)
        elif frame.location is not None and not frame.location.offset:
            shown = self.arguments(frame)
        return replace(frame, arguments=shown) if shown else frame

    def arguments(self, frame: Frame) -> tuple[tuple[str, str], ...]:
        """Parameters of the function that a frame is about to enter, by type."""
        function = self.kernel.types.function(frame.location.symbol.name) if frame.location else None
        if function is None:
            return ()
        registers = iter(ARGUMENT_REGISTERS)
        found = []
        for parameter in function.parameters:
            type_ = function.at(parameter.type)
            words = passed_in_registers(type_)
            used = list(islice(registers, words))
            if not parameter.type or len(used) < words or not set(used) <= set(frame.registers):
                break
            if words == 1 and type_.strip().kind not in AGGREGATES:
                value = Value(self.kernel, type_, number=frame.registers[used[0]])
                found.append((parameter.name, str(value)))
        return tuple(found)

    def invocation(self, registers: dict[str, int], task: Value | None = None) -> Invocation:
        """The system call that registers make, in the address space of `task` or of the current one."""
        value = self.kernel.current_task() if task is None else task
        return self.system_calls.invocation(registers, tasks.user_memory(self.kernel, value))

    def system_call_here(self) -> syscall_points.Entered | syscall_points.Returned | None:
        """The system call that begins or ends at this instruction, at one of `system_call_points`."""
        return syscall_points.system_call_here(self.kernel, self.system_calls, self.unwinder)

    @property
    def system_call_points(self) -> tuple[Linear, ...]:
        """Where to stop to see every system call begin and end."""
        return syscall_points.entry_points(self.kernel) + syscall_points.exit_points(self.kernel)

    @property
    def load_points(self) -> tuple[Linear, ...]:
        """Where to stop to see code come in before it runs: of each module, and of each program.

        A module's parameters are parsed before its init; a program is mapped before it is started
        (kernel/module/main.c, load_module; fs/binfmt_elf.c, load_elf_binary).
        """
        found = (self.kernel.table.find(name) for name in LOADING)
        return tuple(Linear(address) for address in found if address is not None)

    @property
    def report_points(self) -> tuple[oops.ReportPoint, ...]:
        """Where to stop to see every report that something went wrong."""
        return oops.report_points(self.kernel)

    @property
    def slide(self) -> int:
        """What KASLR added to the addresses of vmlinux and System.map."""
        return self.kernel.symbol("_text") - LINKED_TEXT

    def user_programs(self, pid: int) -> tuple[user_programs.UserProgram, ...]:
        return user_programs.user_programs(self.kernel, pid)

    def dmesg(self) -> tuple[dmesg.LogRecord, ...]:
        return dmesg.dmesg(self.kernel)

    def modules(self) -> tuple[modules.Module, ...]:
        return modules.modules(self.kernel)

    def module_sections(self, name: str) -> dict[str, Linear]:
        return modules.module_sections(self.kernel, name)

    def mounts(self, pid: int = 1) -> tuple[mounts.Mount, ...]:
        return mounts.mounts(self.kernel, pid)

    def files(self, pid: int) -> tuple[files.OpenFile, ...]:
        return files.files(self.kernel, pid)

    def maps(self, pid: int) -> tuple[maps.MemoryArea, ...]:
        return maps.maps(self.kernel, pid)

    def interrupts(self) -> tuple[irqs.Interrupt, ...]:
        return irqs.interrupts(self.kernel)

    def timers(self) -> tuple[timers.Timer, ...]:
        return timers.timers(self.kernel)

    def run_queues(self) -> tuple[run_queues.RunQueue, ...]:
        return run_queues.run_queues(self.kernel)

    @guarded("locks")
    def locks(self) -> locks.Locks:
        return locks.locks(self.kernel, self.unwinder)

    def spinning(self) -> dict[int, Spin]:
        """What CPUs spin for, by the machine's numbers of them."""
        processors = self.kernel.processors
        found = {one.cpu: one.spin for one in spinners(self.kernel, self.unwinder)}
        numbers = ((place, processors.number(view)) for place, view in enumerate(self.kernel.view.cpus))
        return {place: found[number] for place, number in numbers if number in found}

    def slab_caches(self) -> tuple[slab.SlabCache, ...]:
        return slab.slab_caches(self.kernel)

    def info(self) -> info.SystemInfo:
        return info.system_info(self.kernel)

    def gdb_elf(self) -> bytes:
        """An ELF file with the symbols, types and unwind tables of this kernel, for gdb and drgn."""
        return gdb_elf.gdb_elf(self.kernel, self.unwinder.tables, self.boot.build.build_id)

    def oops(self) -> oops.Oops | None:
        """What the kernel is about to report as gone wrong, at one of `report_points`."""
        found = oops.oops(self.kernel, self.unwinder)
        if found is None:
            return None
        return replace(found, backtrace=self._with_arguments(found.backtrace, self.kernel.current_task()))


def _made_system_call(inner: Frame, frame: Frame) -> bool:
    """Whether user space, at `frame`, called the kernel, at `inner`, and the registers are still those of the call.

    SYSCALL leaves rip in rcx: a program that execve() has just started has not. What exceptions leave where a call has
    its number is their error code.
    """
    if frame.kind is not FrameKind.USER or inner.location is None:
        return False
    registers = frame.registers
    entered = inner.location.symbol.name.startswith(SYSCALL_ENTRY)
    return entered and registers.get("rcx") == frame.pc and registers.get("orig_rax", LAST_CALL) < LAST_CALL


class LinuxDetector:
    """Recognises Linux; keeps what it learnt about a boot for the next instant."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._discoverer = Discoverer(cache)
        self._last: Linux | None = None

    def detect(self, view: GuestView) -> Linux | None:
        """None if this is no Linux. Raises `NotThereYetError`, `DamagedError`."""
        kernel = self._discoverer.find(view)
        boot = self._discoverer.boot
        if kernel is None or boot is None:
            return None
        if self._last is not None and self._last.boot is not boot:
            self._last = None
        table = self._last.known_unwind_table if self._last else None
        self._last = Linux(kernel, boot, table)
        return self._last
