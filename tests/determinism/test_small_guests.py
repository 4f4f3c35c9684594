"""The theorem on the sample kernel and on a guest under memory pressure: no debugger changes a later state."""

import random
from collections.abc import Callable

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.machines import (
    Make,
    bios_machine,
    digests_at,
    pressure_machine,
    run_in_slices,
    running,
    sample_machine,
    step_often,
)
from tests.guests.build import sample_kernel
from tests.vmdbg.boot.seabios import seabios_machine
from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.machine.digest import Digest, digest

SAMPLE_END, PRESSURE_END, BIOS_END, SEABIOS_END = 321_400_000, 7_130_000, 60_000_000, 16_000_000
GUESTS = [
    pytest.param(sample_machine, SAMPLE_END, id="sample"),
    pytest.param(pressure_machine, PRESSURE_END, id="pressure"),
    pytest.param(bios_machine, BIOS_END, id="bios"),
    pytest.param(seabios_machine, SEABIOS_END, id="seabios"),
]
HIGH_HALF = 0xFFFFFFFF80000000


def _marks(end: int) -> list[int]:
    return [end * part // 5 for part in range(1, 6)]


@pytest.fixture(scope="module")
def expected() -> Callable[[Make, int], list[Digest]]:
    known: dict[Make, list[Digest]] = {}

    def find(make: Make, end: int) -> list[Digest]:
        if make not in known:
            known[make] = digests_at(make, _marks(end))
        return known[make]

    return find


@pytest.mark.parametrize(("make", "end"), GUESTS)
def test_two_runs_are_equal(make: Make, end: int, expected: Callable[[Make, int], list[Digest]]) -> None:
    assert digests_at(make, _marks(end)) == expected(make, end)


@pytest.mark.parametrize(("make", "end"), GUESTS)
def test_slices_of_any_size_do_not_show(make: Make, end: int, expected: Callable[[Make, int], list[Digest]]) -> None:
    rng = random.Random(1)
    with running(make) as machine:
        seen = [run_in_slices(machine, t, lambda: rng.choice((1, 7, 100, 5000, 90000))) for t in _marks(end)]
    assert seen == expected(make, end)


@pytest.mark.parametrize(
    ("make", "end", "every"),
    [(*guest.values, every) for guest, every in zip(GUESTS, (100_000, 2_000, 15_000, 15_000), strict=True)],
)
def test_thousands_of_single_steps_do_not_show(
    make: Make, end: int, every: int, expected: Callable[[Make, int], list[Digest]]
) -> None:
    rng = random.Random(2)
    with running(make) as machine:
        seen = [step_often(machine, tick, every, 60, rng) for tick in _marks(end)]
        assert machine.engine.statistics().single_steps > 20_000
    assert seen == expected(make, end)


@pytest.mark.parametrize(("make", "end"), GUESTS)
def test_a_run_goes_on_equally_in_another_machine(
    make: Make, end: int, expected: Callable[[Make, int], list[Digest]]
) -> None:
    marks = _marks(end)
    with running(make) as first, running(make) as second:
        run_in_slices(first, marks[1], lambda: end)
        second.restore(first.save())
        second.engine.restore_pages(in_pages(first.engine.ram))
        assert [run_in_slices(second, tick, lambda: end) for tick in marks[1:]] == expected(make, end)[1:]


def _functions() -> list[int]:
    with sample_kernel().open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return sorted({s["st_value"] for s in table.iter_symbols() if s["st_value"] > HIGH_HALF})


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_debugger_script_shows_in_the_sample(
    data: st.DataObject, expected: Callable[[Make, int], list[Digest]]
) -> None:
    script: list[Action] = data.draw(actions(st.sampled_from(_functions()), -HIGH_HALF, SAMPLE_END // 20))
    with running(sample_machine) as machine:
        debugged_to(machine, SAMPLE_END, script)
        assert digest(machine) == expected(sample_machine, SAMPLE_END)[-1]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=actions(st.integers(0x100000, 0x101FFF), 0, PRESSURE_END // 10))
def test_no_debugger_script_shows_under_memory_pressure(
    script: list[Action], expected: Callable[[Make, int], list[Digest]]
) -> None:
    with running(pressure_machine) as machine:
        debugged_to(machine, PRESSURE_END, script)
        assert digest(machine) == expected(pressure_machine, PRESSURE_END)[-1]
