"""The catalog of devices that can be added."""

from __future__ import annotations

from devices.catalog import FITTINGS, MODULES


def test_each_is_there_by_the_kind_of_its_fitting() -> None:
    assert {kind: fitting.kind for kind, fitting in FITTINGS.items()} == {kind: kind for kind in MODULES}
