"""Where a script has a guest stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from devices.disk.requests import Operation
from vmdbg.api.hit import Hit
from vmdbg.api.moving import Moving
from vmdbg.api.standing import Address
from vmdbg.debugger.points import Breakpoint, Point, Watchpoint
from vmdbg.debugger.points import Condition as PointCondition
from vmdbg.debugger.stops import BreakpointStop, Ended, HistoryEnd, HistoryStart, Stop, WatchpointStop
from vmdbg.engine.exits import Access, EventKind
from vmdbg.engine.stops import Catches, DiskCatch, IpiCatch, MessageCatch, PacketCatch
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.units import CpuId

WORD = 8
READ, WRITE = frozenset({Access.READ}), frozenset({Access.WRITE})


class Stopping(Moving):
    """Breakpoints, watchpoints, catches, and the way from one to the next."""

    def break_at(
        self,
        address: Address,
        condition: Callable[[Self], bool] | None = None,
        *,
        physical: bool = False,
        cpu: int | None = None,
    ) -> Breakpoint:
        """Stop before the instruction at `address` runs, on that CPU or any, if `condition(guest)` holds then."""
        place, of_cpu = self._place(address, Aim.CODE, physical=physical), self._number(cpu)
        point = self.debugger.points.add_breakpoint(
            place.address,
            space=place.space,
            owner="script",
            condition=self._condition(condition),
        )
        point.cpu = of_cpu
        return point

    def _number(self, cpu: int | None) -> CpuId | None:
        if cpu is not None and not 0 <= cpu < len(self.cpus):
            raise UserError(f"there is no CPU {cpu}: the guest has {len(self.cpus)}, from 0 on")
        return CpuId(cpu) if cpu is not None else None

    def watch(
        self,
        address: Address,
        size: int | None = None,
        condition: Callable[[Self], bool] | None = None,
        *,
        read: bool = False,
        write: bool = True,
        physical: bool = False,
        cpu: int | None = None,
    ) -> Watchpoint:
        """Stop after an access to any of `size` bytes, or of the object named, or of 8; going backwards, before it.

        With `cpu` only those of that CPU, and of devices while it has its turn.
        """
        place, of_cpu = self._place(address, Aim.OBJECT, physical=physical), self._number(cpu)
        point = self.debugger.points.add_watchpoint(
            place.address,
            size or place.size or WORD,
            (READ if read else frozenset()) | (WRITE if write else frozenset()),
            space=place.space,
            owner="script",
            condition=self._condition(condition),
        )
        point.cpu = of_cpu
        return point

    def _condition(self, condition: Callable[[Self], bool] | None) -> PointCondition | None:
        return None if condition is None else lambda _debugger: condition(self)

    def catch(self, *vectors: int, events: frozenset[EventKind] = frozenset()) -> None:
        """Stop when one of these exceptions is delivered, or one of the events is about to happen; no others."""
        self.debugger.points.update_catches(vectors=frozenset(vectors), events=events)

    def catch_disk(
        self,
        *operations: str,
        sectors: range | None = None,
        drive: str = "",
        condition: Callable[[Self], bool] | None = None,
    ) -> None:
        """Stop besides when a request to a drive is done: `read`, `write` or `flush`, all if none is named.

        sectors: those of 512 bytes any of which it moves. drive: as "disk0"; all if none is named. Raises UserError.
        """
        known = frozenset(map(str, Operation))
        if not known.issuperset(operations):
            raise UserError(f"{', '.join(operations)}: what is asked of a drive is one of {', '.join(sorted(known))}")
        points, chosen = self.debugger.points, sectors if sectors is not None else range(1 << 64)
        wanted = frozenset(operations) or known
        catch = DiskCatch(points.new_catch(), wanted, chosen.start, chosen.stop, drive)
        points.catch_device(catch, self._condition(condition))

    def catch_messages(self, *vectors: int, condition: Callable[[Self], bool] | None = None) -> None:
        """Stop besides when a device sends a message signalled interrupt, of one of these vectors, or any."""
        points = self.debugger.points
        points.catch_device(MessageCatch(points.new_catch(), frozenset(vectors)), self._condition(condition))

    def catch_ipis(
        self,
        *vectors: int,
        cpu: int | None = None,
        to: int | None = None,
        condition: Callable[[Self], bool] | None = None,
    ) -> None:
        """Stop besides when CPU `cpu`, or any, has sent an interrupt to CPU `to`, or any: of one of these vectors, 2
        for the NMI, or of any kind. Raises UserError."""
        points = self.debugger.points
        catch = IpiCatch(points.new_catch(), frozenset(vectors), self._number(cpu), self._number(to))
        points.catch_device(catch, self._condition(condition))

    def catch_packets(self, words: str = "", *, condition: Callable[[Self], bool] | None = None) -> None:
        """Stop besides when a network device has sent or got a frame, or one that a filter as "tcp port 80" lets
        through. Raises UserError.
        """
        from devices.network.packet_filter import parse_filter

        try:
            parse_filter(words)
        except ValueError as error:
            raise UserError(str(error)) from None
        points = self.debugger.points
        points.catch_device(PacketCatch(points.new_catch(), words), self._condition(condition))

    def uncatch(self) -> None:
        """Catch nothing any more."""
        self.debugger.points.set_catches(Catches())

    def delete(self, *points: Point) -> None:
        """Remove breakpoints and watchpoints; all of them if none is named."""
        table = self.debugger.points
        for point in points or (*table.breakpoints.values(), *table.watchpoints.values()):
            table.remove(point)

    def hits(self, *points: Point, backwards: bool = False) -> Iterator[Hit]:
        """Run from one stop to the next, until the guest or its history ends. With `points`, only theirs are given."""
        while True:
            stop = self.reverse_run() if backwards else self.run()
            if isinstance(stop, Ended | HistoryEnd | HistoryStart):
                return
            if not points or _is_of(stop, points):
                yield Hit(self.position, self.pc, stop)


def _is_of(stop: Stop, points: tuple[Point, ...]) -> bool:
    match stop:
        case BreakpointStop(breakpoints):
            return any(point in points for point in breakpoints)
        case WatchpointStop(hits):
            return any(point in points for point, _ in hits)
        case _:
            return False
