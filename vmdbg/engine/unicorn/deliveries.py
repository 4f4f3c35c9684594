"""The exceptions and interrupts that the native part remembers, seen from Python: a ring, and how many there were."""

from __future__ import annotations

from vmdbg.engine.exits import Delivery
from vmdbg.engine.native import _native
from vmdbg.engine.unicorn.native_values import DELIVERIES, delivery

ffi = _native.ffi


class NativeDeliveries:
    """What of engine.port.Engine is about deliveries."""

    _vm: _native.Vm
    _deliveries_start = 0
    """The count at which the deliveries begin that led to the present state."""

    @property
    def delivery_count(self) -> int:
        count: int = self._vm.delivery_count
        return count

    @property
    def deliveries_now(self) -> int:
        vm = self._vm
        last = vm.deliveries[(vm.delivery_count - 1) % DELIVERIES]
        return int(vm.tick_deliveries) if vm.delivery_count and last.tick == vm.clock else 0

    def delivery(self, back: int = 1) -> Delivery | None:
        vm = self._vm
        known = 0 < back <= self._deliveries_known
        return delivery(vm.deliveries[(vm.delivery_count - back) % DELIVERIES]) if known else None

    def deliveries(self) -> tuple[Delivery, ...]:
        count = self._vm.delivery_count
        known = self._deliveries_known
        return tuple(delivery(self._vm.deliveries[i % DELIVERIES]) for i in range(count - known, count))

    @property
    def _deliveries_known(self) -> int:
        return min(int(self._vm.delivery_count) - self._deliveries_start, DELIVERIES)

    def save_deliveries(self) -> bytes:
        """Oldest first."""
        count, known = self._vm.delivery_count, self._deliveries_known
        ring, size = bytes(ffi.buffer(self._vm.deliveries)), ffi.sizeof("VmDelivery")
        first = (count - known) % DELIVERIES * size
        return (ring[first:] + ring[:first])[: known * size]

    def restore_deliveries(self, saved: bytes) -> None:
        """They follow the clock: those of another instant are no longer known. The count goes on from what it was."""
        vm, size = self._vm, ffi.sizeof("VmDelivery")
        self._deliveries_start = int(vm.delivery_count)
        for start in range(0, len(saved), size):
            ffi.memmove(ffi.addressof(vm.deliveries[vm.delivery_count % DELIVERIES]), saved[start : start + size], size)
            vm.delivery_count += 1
