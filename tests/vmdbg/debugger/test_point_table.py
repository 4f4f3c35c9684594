"""The table of points: owners, numbers, what the engine is told."""

from __future__ import annotations

import pytest

from vmdbg.debugger.point_table import PointTable
from vmdbg.debugger.points import Space
from vmdbg.engine.exits import Access
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint
from vmdbg.errors import UserError


class Recorder:
    """Of an engine, what PointTable talks to."""

    def __init__(self) -> None:
        self.stops = Stops()
        self.told: list[str] = []

    def set_breakpoints(self, breakpoints: Breakpoints) -> None:
        self.told.append("breakpoints")
        self.stops = Stops(breakpoints, self.stops.watchpoints, self.stops.catches)

    def set_watchpoints(self, watchpoints: tuple[Watchpoint, ...]) -> None:
        self.told.append("watchpoints")
        self.stops = Stops(self.stops.breakpoints, tuple(watchpoints), self.stops.catches)

    def set_catches(self, catches: Catches) -> None:
        self.told.append("catches")
        self.stops = Stops(self.stops.breakpoints, self.stops.watchpoints, catches)


@pytest.fixture
def table() -> PointTable:
    return PointTable()


def test_numbers_are_never_given_again(table: PointTable) -> None:
    first = table.add_breakpoint(0x1000)
    table.remove(first)
    assert table.add_watchpoint(0x1000, 4, {Access.WRITE}).number == first.number + 1


def test_several_points_at_one_address(table: PointTable) -> None:
    a, b = table.add_breakpoint(0x1000, owner="gdb"), table.add_breakpoint(0x1000, owner="prompt")
    assert table.at(Space.LINEAR, 0x1000) == [a, b]
    table.enable(a, False)
    assert table.at(Space.LINEAR, 0x1000) == [b]
    assert table.at(Space.PHYSICAL, 0x1000) == []


def test_an_owner_leaves_and_takes_only_its_own(table: PointTable) -> None:
    table.add_breakpoint(0x1000, owner="gdb")
    table.add_watchpoint(0x2000, 8, {Access.READ}, owner="gdb")
    kept = table.add_breakpoint(0x1000, owner="prompt")
    table.remove_owned("gdb")
    assert list(table.breakpoints.values()) == [kept]
    assert not table.watchpoints


@pytest.mark.parametrize("address", [-1, 1 << 64])
def test_address_that_no_cpu_has(table: PointTable, address: int) -> None:
    with pytest.raises(UserError, match="is no address"):
        table.add_breakpoint(address)


@pytest.mark.parametrize(("address", "size"), [(0, 0), (-1, 4), ((1 << 64) - 1, 2)])
def test_range_that_no_memory_has(table: PointTable, address: int, size: int) -> None:
    with pytest.raises(UserError, match="are no range of memory"):
        table.add_watchpoint(address, size, {Access.WRITE})


def test_unknown_number(table: PointTable) -> None:
    with pytest.raises(UserError, match="there is no breakpoint or watchpoint 7"):
        table.find(7)


def test_the_engine_is_told_of_what_changed_and_no_more(table: PointTable) -> None:
    engine = Recorder()
    point = table.add_breakpoint(0x1000)
    table.add_breakpoint(0x2000, space=Space.PHYSICAL)
    table.arm(engine)  # type: ignore[arg-type]  # the part of an engine that is needed
    assert engine.told == ["breakpoints"]
    assert engine.stops.breakpoints == Breakpoints((0x1000,), (0x2000,))  # type: ignore[arg-type]  # plain numbers
    table.arm(engine)  # type: ignore[arg-type]  # as above
    table.add_watchpoint(0x3000, 4, {Access.WRITE})
    table.arm(engine)  # type: ignore[arg-type]  # as above
    table.remove(point)
    table.add_breakpoint(0x1000)
    table.arm(engine)  # type: ignore[arg-type]  # as above
    assert engine.told == ["breakpoints", "watchpoints"]
    table.update_catches(vectors=frozenset({14}))
    table.arm(engine)  # type: ignore[arg-type]  # as above
    assert engine.told == ["breakpoints", "watchpoints", "catches"]


def test_catches_are_updated_by_name(table: PointTable) -> None:
    table.update_catches(vectors=frozenset({13}))
    table.update_catches(ports=frozenset({0x3F8}))
    assert table.catches == Catches(vectors=frozenset({13}), ports=frozenset({0x3F8}))
