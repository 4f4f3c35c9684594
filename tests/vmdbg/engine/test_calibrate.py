"""Calibration passes on the engine that vmdbg was built with, and refuses any other."""

import dataclasses

import pytest

from vmdbg.engine.unicorn import calibrate
from vmdbg.errors import EngineError


def test_everything_is_where_the_native_part_expects_it() -> None:
    assert [(name, detail) for name, right, detail in calibrate.check() if not right] == []


@pytest.mark.parametrize("index", range(len(calibrate.CHECKS)))
def test_each_check_notices_that_its_instructions_had_no_effect(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dataclasses.replace(calibrate.CHECKS[index], code="90")
    monkeypatch.setattr(calibrate, "CHECKS", (broken,))
    name, right, detail = calibrate.check()[0]
    assert (name, right) == (broken.name, False)
    assert detail


def test_another_engine_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "check", lambda: [("ports", True, ""), ("#UD", False, "vector is 0x0, not 0x6")])
    calibrate.require.cache_clear()
    with pytest.raises(EngineError, match=r"not the one vmdbg was built for \(#UD: vector is 0x0, not 0x6\)"):
        calibrate.require()
