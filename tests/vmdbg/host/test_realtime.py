"""Who is held back to host time, by where he sits."""

from __future__ import annotations

from vmdbg.host.realtime import Place, Realtime
from vmdbg.units import Tick


class Nobody:
    """A pacer that holds nobody back."""

    def wait_seconds(self) -> float:
        return 0.0

    def limit(self) -> Tick | None:
        return None


def test_each_place_has_its_own_choice_and_the_one_before_comes_back() -> None:
    realtime = Realtime(Nobody(), prompt=True)
    assert realtime.present is None
    with realtime.at(Place.PROMPT):
        assert realtime.present is realtime.pacer
        with realtime.at(Place.SCRIPT):
            assert realtime.present is None
        assert realtime.place is Place.PROMPT
    assert realtime.place is Place.CONSOLE


def test_one_choice_for_everywhere() -> None:
    realtime = Realtime(Nobody())
    realtime.choose(True)
    for place in Place:
        with realtime.at(place):
            assert realtime.present is realtime.pacer
