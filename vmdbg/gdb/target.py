"""The machine as gdbstub's Target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdbstub.stops import StopReason
from gdbstub.target import Host, Target
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.gdb.architecture import Architecture, ClientView, fitting
from vmdbg.gdb.breakpoints import GuestBreakpoints
from vmdbg.gdb.description import Description
from vmdbg.gdb.execution import GuestExecution, StepMask
from vmdbg.gdb.frame import GuestFrame
from vmdbg.gdb.layout import layout_of
from vmdbg.gdb.lifecycle import GuestLifecycle
from vmdbg.gdb.memory import AddressSpace, GuestLinearMemory, GuestPhysicalPort, GuestPhysicalSearch
from vmdbg.gdb.moments import GuestMoments
from vmdbg.gdb.monitor import GuestMonitor
from vmdbg.gdb.regions import GuestRegions
from vmdbg.gdb.registers import GuestRegisters
from vmdbg.gdb.standing import Standing
from vmdbg.gdb.stops import StopReasons
from vmdbg.gdb.system_calls import GuestSystemCalls
from vmdbg.gdb.threads import CpuThreads
from vmdbg.version import VERSION


@dataclass(frozen=True, slots=True)
class GuestTarget:
    """The target, and what of it the server asks for itself."""

    target: Target
    reasons: StopReasons
    architecture: Architecture


def guest_target(
    debugger: Debugger,
    view: ClientView,
    monitor: GuestMonitor,
    lifecycle: GuestLifecycle,
    *,
    write: Callable[[str], None],
    tell: Callable[[StopReason], None],
    extended: Callable[[], bool],
    standing: Standing,
    owner: str,
) -> GuestTarget:
    """For one client. `write` shows text on its console, `tell` tells it of a stop; `extended`: whether it can start
    an ended guest again.
    """
    architecture = view.architecture or fitting(debugger)
    layout = layout_of(architecture, frozenset(debugger.engine.register_names))
    calls = GuestSystemCalls(debugger, monitor.linux, owner, write)
    registers = GuestRegisters(debugger, layout, view, monitor.running_task, calls.original_rax, standing)
    bits = architecture.address_bits
    frame = GuestFrame(debugger, registers, write)
    breakpoints = GuestBreakpoints(debugger, frame, (1 << bits) - 1, owner)

    def exits(stop: Stop) -> bool:
        return extended() and stop is not lifecycle.found

    reasons = StopReasons(debugger, breakpoints.of_client, calls, exits, owner)
    execution = GuestExecution(debugger, reasons, registers.linear_of, monitor.next_run, standing, tell, owner)
    lifecycle.let_all_run = execution.let_all_run
    memory = GuestLinearMemory(debugger, standing)
    target = Target(
        registers,
        memory,
        execution,
        name="vmdbg",
        version=VERSION,
        interrupt=execution,
        breakpoints=breakpoints,
        threads=CpuThreads(debugger, monitor.running_task),
        reverse=execution,
        memory_map=AddressSpace(architecture),
        features=Description(layout),
        monitor=monitor,
        search=memory,
        physical_search=GuestPhysicalSearch(debugger, standing),
        restart=lifecycle,
        lifecycle=lifecycle,
        system_calls=calls,
        moments=GuestMoments(debugger),
        physical=GuestPhysicalPort(debugger, standing),
        single_step_mask=StepMask(debugger),
        host=Host(architecture.triple, pointer_bytes=bits // 8),
        regions=GuestRegions(debugger, bits),
        stops_together=True,
    )
    return GuestTarget(target, reasons, architecture)
