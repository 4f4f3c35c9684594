"""All breakpoints, watchpoints and catches of all front ends, and what the engine is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.points import Breakpoint, Condition, Point, Space, Watchpoint
from vmdbg.engine.exits import Access
from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.stops import Breakpoints, Catches, DeviceCatch
from vmdbg.engine.stops import Watchpoint as EngineWatchpoint
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.units import Linear, Physical

LINEAR_END = 1 << 64
NOWHERE = -1
MOST_PLACES = 64
"""Of one pending breakpoint: the last of them count."""
Listener = Callable[[], None]


@dataclass(frozen=True, slots=True)
class PointIndex:
    """Breakpoints by address, each address's in the order of their numbers."""

    linear: dict[int, list[Breakpoint]] = field(default_factory=dict)
    physical: dict[int, list[Breakpoint]] = field(default_factory=dict)

    def of(self, space: Space) -> dict[int, list[Breakpoint]]:
        return self.linear if space is Space.LINEAR else self.physical


@dataclass(slots=True)
class PointTable:
    """Numbers are given once and never again; hidden points have negative ones. Changes reach the engine at arm()."""

    breakpoints: dict[int, Breakpoint] = field(default_factory=dict)
    watchpoints: dict[int, Watchpoint] = field(default_factory=dict)
    catches: Catches = field(default_factory=Catches)
    catch_conditions: dict[int, tuple[Condition, str]] = field(default_factory=dict)
    """Of catches of what devices do, by number, with their text."""
    _next: int = 1
    _next_catch: int = 0
    _next_hidden: int = -1
    _dirty: bool = True
    _by_address: PointIndex | None = None

    def add_breakpoint(
        self,
        address: int,
        *,
        space: Space = Space.LINEAR,
        owner: str = "",
        condition: Condition | None = None,
        text: str = "",
        temporary: bool = False,
        action: Callable[..., None] | None = None,
        hidden: bool = False,
    ) -> Breakpoint:
        """Raises UserError for an address that no CPU can have."""
        if not 0 <= address < LINEAR_END:
            raise UserError(f"{address:#x} is no address: it does not fit in 64 bits")
        point = Breakpoint(
            self._take_number(hidden=hidden), address, space, owner, condition, text, temporary=temporary, action=action
        )
        self.breakpoints[point.number] = point
        self._changed()
        return point

    def add_pending(
        self,
        place: str,
        *,
        owner: str = "",
        condition: Condition | None = None,
        text: str = "",
        temporary: bool = False,
    ) -> Breakpoint:
        """A breakpoint at a place that is not there yet: settle() gives it its address."""
        point = Breakpoint(
            self._take_number(), NOWHERE, Space.LINEAR, owner, condition, text, temporary=temporary, waits_for=place
        )
        self.breakpoints[point.number] = point
        return point

    def settle(self, point: Breakpoint, address: int) -> None:
        """What it waits for is there, or there as well."""
        if address in (point.address, *point.also):
            return
        if not point.is_pending:
            point.also = (point.address, *point.also)[:MOST_PLACES]
        point.address = address
        self._changed()

    def add_watchpoint(
        self,
        address: int,
        size: int,
        accesses: Iterable[Access],
        *,
        space: Space = Space.LINEAR,
        owner: str = "",
        condition: Condition | None = None,
        text: str = "",
        temporary: bool = False,
        on_change: bool = False,
    ) -> Watchpoint:
        """Raises UserError for an empty range or one that leaves the address space."""
        if size < 1 or not 0 <= address <= LINEAR_END - size:
            raise UserError(f"{size} bytes from {address:#x} are no range of memory")
        point = Watchpoint(
            self._take_number(),
            address,
            space,
            owner,
            condition,
            text,
            temporary=temporary,
            size=size,
            accesses=frozenset(accesses),
            on_change=on_change,
        )
        self.watchpoints[point.number] = point
        self._changed()
        return point

    def remove(self, point: Point) -> None:
        self.breakpoints.pop(point.number, None)
        self.watchpoints.pop(point.number, None)
        self._changed()

    def remove_owned(self, owner: str) -> None:
        """A front end leaves: its points go, the others' stay."""
        for point in [*self.breakpoints.values(), *self.watchpoints.values()]:
            if point.owner == owner:
                self.remove(point)

    def enable(self, point: Point, enabled: bool) -> None:
        point.enabled = enabled
        self._changed()

    def set_catches(self, catches: Catches) -> None:
        self.catches = catches
        numbers = {catch.number for catch in catches.devices}
        self.catch_conditions = {n: found for n, found in self.catch_conditions.items() if n in numbers}
        self._changed()

    def catch_device(self, catch: DeviceCatch, condition: Condition | None = None, text: str = "") -> None:
        """Besides what is caught; of its number there is none yet."""
        self.update_catches(devices=(*self.catches.devices, catch))
        if condition is not None:
            self.catch_conditions[catch.number] = condition, text

    def new_catch(self) -> int:
        """The number of one of devices' doings."""
        self._next_catch += 1
        return self._next_catch

    def catches_device(self, number: int, guest: Guest) -> bool:
        """Whether that catch is still set and wants to stop, where the guest stands."""
        if all(catch.number != number for catch in self.catches.devices):
            return False
        condition = self.catch_conditions.get(number)
        return condition is None or condition[0](guest)

    def update_catches(self, **changes: object) -> None:
        self.set_catches(replace(self.catches, **changes))  # type: ignore[arg-type]  # replace() checks the names

    def find(self, number: int) -> Point:
        """Raises UserError if there is none of that number."""
        point = self.breakpoints.get(number) or self.watchpoints.get(number)
        if point is None:
            raise UserError(f"there is no breakpoint or watchpoint {number}")
        return point

    def at(self, space: Space, address: int) -> list[Breakpoint]:
        """The enabled breakpoints there, in the order of their numbers."""
        return self.index().of(space).get(address, [])

    def index(self) -> PointIndex:
        """The enabled breakpoints by address."""
        if self._by_address is None:
            self._by_address = PointIndex()
            for point in self.breakpoints.values():
                if point.enabled and not point.is_pending:
                    for address in dict.fromkeys((point.address, *point.also)):
                        self._by_address.of(point.space).setdefault(address, []).append(point)
        return self._by_address

    def cut(self, after: Position) -> None:
        """The history forks there: hits that came later do not happen."""
        for point in [*self.breakpoints.values(), *self.watchpoints.values()]:
            point.hits.cut(after)
            point.passed.cut(after)

    @property
    def changed(self) -> bool:
        """Whether the engine has not been told of something yet."""
        return self._dirty

    def arm(self, engine: StopControl) -> None:
        """Tell the engine what changed."""
        if not self._dirty:
            return
        told, index = engine.stops, self.index()
        breakpoints = Breakpoints(tuple(map(Linear, index.linear)), tuple(map(Physical, index.physical)))
        watchpoints = tuple(
            EngineWatchpoint(w.number, w.address, w.size, w.accesses, w.space is Space.PHYSICAL)
            for w in self.watchpoints.values()
            if w.enabled
        )
        if told.breakpoints != breakpoints:
            engine.set_breakpoints(breakpoints)
        if told.watchpoints != watchpoints:
            engine.set_watchpoints(watchpoints)
        if told.catches != self.catches:
            engine.set_catches(self.catches)
        self._dirty = False

    def _take_number(self, *, hidden: bool = False) -> int:
        if hidden:
            self._next_hidden -= 1
            return self._next_hidden + 1
        self._next += 1
        return self._next - 1

    def _changed(self) -> None:
        self._dirty = True
        self._by_address = None
