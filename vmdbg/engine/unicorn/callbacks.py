"""What native code calls back: the bus of the engine whose handle it was given."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from vmdbg.engine.native import _native

if TYPE_CHECKING:
    from vmdbg.engine.unicorn.engine import UnicornEngine

ffi, lib = _native.ffi, _native.lib
_owner = ffi.from_handle
NEVER = (1 << 64) - 1
"""A tick that does not come."""


def _keep_exception(_type: type[BaseException], value: BaseException, trace: TracebackType) -> None:
    """An exception cannot cross native code: it ends the run and is raised again after it."""
    engine: UnicornEngine = _owner(trace.tb_frame.f_locals["owner"])
    engine.keep_exception(value)


@ffi.def_extern(error=0xFFFFFFFF, onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def port_read(owner: Any, port: int, size: int, now: int) -> int:
    return _owner(owner).port_read(port, size, now)  # type: ignore[no-any-return]  # from_handle is untyped


@ffi.def_extern(onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def port_write(owner: Any, port: int, size: int, value: int, now: int) -> None:
    _owner(owner).port_write(port, size, value, now)


@ffi.def_extern(error=0xFFFFFFFFFFFFFFFF, onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def memory_read(owner: Any, physical: int, size: int, now: int) -> int:
    return _owner(owner).memory_read(physical, size, now)  # type: ignore[no-any-return]  # from_handle is untyped


@ffi.def_extern(onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def memory_write(owner: Any, physical: int, size: int, value: int, now: int) -> None:
    _owner(owner).memory_write(physical, size, value, now)


@ffi.def_extern(error=-1, onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def acknowledge(owner: Any, now: int) -> int:
    return _owner(owner).acknowledge(now)  # type: ignore[no-any-return]  # from_handle is untyped


@ffi.def_extern(error=0, onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def task_priority(owner: Any, write: int, value: int, now: int) -> int:
    bus = _owner(owner).bus
    if write:
        bus.write_task_priority(value, now)
        return 0
    return bus.read_task_priority(now)  # type: ignore[no-any-return]  # from_handle is untyped


@ffi.def_extern(onerror=_keep_exception)  # type: ignore[untyped-decorator]  # cffi has no types
def apic_moved(owner: Any, scheduled: int, due: int, intr: int) -> None:
    _owner(owner).bus.local_apic_moved(scheduled, None if due == NEVER else due, bool(intr))


_CALLBACKS = ("port_read", "port_write", "memory_read", "memory_write", "acknowledge", "task_priority", "apic_moved")
for _name in _CALLBACKS:
    setattr(lib.vm_callbacks, _name, getattr(lib, _name))
