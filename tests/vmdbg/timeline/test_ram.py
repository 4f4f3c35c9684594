"""What RAM is known to hold is what it holds, whatever is hashed, kept and put back in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vmdbg.timeline.model import origin_of
from vmdbg.machine.machine import Machine
from vmdbg.timeline.pages import PageStore
from vmdbg.timeline.ram import RamImage, RamTracker
from vmdbg.units import PAGE_SIZE, Physical

PAGES = st.integers(0, 5) | st.sampled_from([255, 256, 300])
ACTIONS = st.lists(
    st.tuples(st.just("write"), PAGES, st.integers(0, 3))
    | st.tuples(st.sampled_from(["digest", "capture"]), st.none(), st.none())
    | st.tuples(st.just("restore"), st.integers(0, 9), st.none()),
    max_size=25,
)


@pytest.fixture(scope="module")
def tracked() -> Iterator[tuple[Machine, RamTracker]]:
    machine = origin_of("protected_ring3").machine()
    yield machine, RamTracker(machine.pages, PageStore())
    machine.close()


def digest_afresh(machine: Machine) -> str:
    """By who knows nothing of what was there before."""
    ram, store = machine.engine.ram, PageStore()
    pages = [store.page(bytes(ram[start : start + PAGE_SIZE])) for start in range(0, len(ram), PAGE_SIZE)]
    return RamImage.filled(store.zero, len(pages)).with_pages(dict(enumerate(pages))).digest({})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_digests_and_images_are_of_what_ram_holds(
    tracked: tuple[Machine, RamTracker], actions: list[tuple[str, int | None, int | None]]
) -> None:
    machine, tracker = tracked
    images = [(tracker.capture(), bytes(machine.engine.ram))]
    for action, which, value in actions:
        if action == "write":
            assert which is not None
            machine.engine.write_ram(Physical(which * PAGE_SIZE + 8), bytes([value or 0]))
        elif action == "digest":
            tracker.digest()
        elif action == "capture":
            images.append((tracker.capture(), bytes(machine.engine.ram)))
        else:
            image, wanted = images[(which or 0) % len(images)]
            tracker.restore(image)
            assert bytes(machine.engine.ram) == wanted
    found, kept = tracker.digest(), tracker.capture()
    assert found == kept.digest({}) == tracker.digest() == digest_afresh(machine)
    assert b"".join(kept[number].data for number in range(kept.count)) == bytes(machine.engine.ram)


def test_a_page_is_known_for_as_long_as_somebody_keeps_it() -> None:
    store = PageStore()
    page = store.page(b"x" * PAGE_SIZE)
    assert store.page(b"x" * PAGE_SIZE) is page
    assert [len(store), {*store.pages()}] == [2, {store.zero, page}]
    del page
    assert [len(store), {*store.pages()}] == [1, {store.zero}]
