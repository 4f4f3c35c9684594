"""What native code calls back: the bus of the engine whose handle it was given."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from types import TracebackType
from typing import Protocol, TypeVar

from vmdbg.engine.interrupts import Rescheduled
from vmdbg.engine.native import _native
from vmdbg.engine.port import Bus


class Owner(Protocol):
    """The engine: its bus, and shorter ways to what the bus is asked most."""

    bus: Bus
    port_read: Callable[[int, int, int], int]
    port_write: Callable[[int, int, int, int], None]
    memory_read: Callable[[int, int, int], int]
    memory_write: Callable[[int, int, int, int], None]
    acknowledge: Callable[[int], int]

    def put_back(self, first: int, count: int) -> None: ...

    def keep_exception(self, value: BaseException) -> None: ...


ffi, lib = _native.ffi, _native.lib
_owner: Callable[[object], Owner] = ffi.from_handle
_Function = TypeVar("_Function", bound=Callable[..., int | None])
_extern: Callable[..., Callable[[_Function], _Function]] = ffi.def_extern
NEVER: int = lib.NEVER


def _keep_exception(_type: type[BaseException], value: BaseException, trace: TracebackType) -> None:
    """An exception cannot cross native code: it ends the run and is raised again after it."""
    _owner(trace.tb_frame.f_locals["owner"]).keep_exception(value)


@_extern(error=0xFFFFFFFF, onerror=_keep_exception)
def bus_port_read(owner: object, port: int, size: int, now: int) -> int:
    return _owner(owner).port_read(port, size, now)


@_extern(onerror=_keep_exception)
def bus_port_write(owner: object, port: int, size: int, value: int, now: int) -> None:
    _owner(owner).port_write(port, size, value, now)


@_extern(error=0xFFFFFFFFFFFFFFFF, onerror=_keep_exception)
def bus_memory_read(owner: object, physical: int, size: int, now: int) -> int:
    return _owner(owner).memory_read(physical, size, now)


@_extern(onerror=_keep_exception)
def bus_memory_write(owner: object, physical: int, size: int, value: int, now: int) -> None:
    _owner(owner).memory_write(physical, size, value, now)


@_extern(error=-1, onerror=_keep_exception)
def bus_acknowledge(owner: object, now: int) -> int:
    return _owner(owner).acknowledge(now)


@_extern(error=1, onerror=_keep_exception)
def bus_read_msr(owner: object, msr: int, now: int, value: MutableSequence[int]) -> int:
    """`value` is cffi's pointer to it."""
    found = _owner(owner).bus.read_msr(msr, now)
    value[0] = found or 0
    return found is not None


@_extern(error=1, onerror=_keep_exception)
def bus_write_msr(owner: object, msr: int, value: int, now: int) -> int:
    return _owner(owner).bus.write_msr(msr, value, now)


@_extern(error=0, onerror=_keep_exception)
def bus_task_priority(owner: object, write: int, value: int, now: int) -> int:
    bus = _owner(owner).bus
    if write:
        bus.write_task_priority(value, now)
        return 0
    return bus.read_task_priority(now)


@_extern(onerror=_keep_exception)
def bus_coprocessor_error(owner: object, cpu: int, now: int) -> None:
    _owner(owner).bus.coprocessor_error(cpu, now)


@_extern(onerror=_keep_exception)
def bus_interrupts_moved(
    owner: object, cpu: int, scheduled: int, timer: int, timer_due: int, out0: int, out0_due: int, intr: int
) -> None:
    bus = _owner(owner).bus
    bus.interrupts_moved(cpu, scheduled, _rescheduled(timer, timer_due), _rescheduled(out0, out0_due), bool(intr))


@_extern(error=0, onerror=_keep_exception)
def bus_put_back(owner: object, first: int, count: int) -> int:
    _owner(owner).put_back(first, count)
    return 1


def _rescheduled(number: int, due: int) -> Rescheduled:
    return Rescheduled(number, None if due == NEVER else due)
