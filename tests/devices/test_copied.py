"""Copies of states."""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from devices.copied import copied


class Colour(enum.IntEnum):
    RED = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    number: int
    inner: tuple[object, ...]


@dataclass(slots=True)
class State:
    numbers: list[object]
    table: dict[int, object]
    inner: object
    mode: Colour = Colour.RED
    data: bytearray = field(default_factory=lambda: bytearray(b"ab"))


@dataclass(slots=True)
class Empty:
    pass


PLAIN = st.one_of(
    st.integers(), st.booleans(), st.none(), st.text(max_size=3), st.binary(max_size=3), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    PLAIN | st.just(Colour.RED) | st.builds(Empty),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.integers(), inner, max_size=3),
        st.builds(Frozen, st.integers(), st.lists(inner, max_size=3).map(tuple)),
        st.builds(State, st.lists(inner, max_size=3), st.dictionaries(st.integers(), inner, max_size=3), inner),
    ),
)


def disturb(value: object) -> None:
    """Change all of it that can be changed."""
    match value:
        case list():
            for one in value:
                disturb(one)
            value.append("another")
        case tuple():
            for one in value:
                disturb(one)
        case dict():
            for one in value.values():
                disturb(one)
            value[-1] = "another"
        case Frozen():
            disturb(value.inner)
        case State():
            for part in (value.numbers, value.table, value.inner):
                disturb(part)
            value.data.append(0)
            value.inner = "another"


@given(VALUES)
def test_a_copy_is_equal_and_keeps_nothing_of_the_original_that_can_change(value: object) -> None:
    before, made = copy.deepcopy(value), copied(value)
    assert (made, type(made)) == (before, type(before))
    disturb(value)
    assert made == before
