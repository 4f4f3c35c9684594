"""What QEMU's clients ask of a monitor, and dumps: each is answered, and the guest does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vmdbg.gdb.guests import Guest, alone, sample_guest
from vmdbg.gdb.monitor import GuestMonitor
from vmdbg.gdb.qemu.monitor import INFO
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.session.new_files import Outbox

BEGIN, STRETCH, INSTANTS = 600_000, 300_000, 8
ADDRESSES = ("0", "0x100000", "rip", "$rsp", "0xfee00000", "0xffffffffffffffff", "-1", "nonsense", "")
LINES = (
    st.sampled_from(sorted(INFO)).flatmap(lambda word: st.sampled_from([f"info {word}", f"info {word} -f"]))
    | st.builds("xp{} {}".format, st.sampled_from(["", "/4xg", "/3i", "/9c", "/2o", "/q"]), st.sampled_from(ADDRESSES))
    | st.builds("{} {}".format, st.sampled_from(["gva2gpa", "gpa2hva"]), st.sampled_from(ADDRESSES))
    | st.builds("dump core {}{}".format, st.sampled_from(["", "--kdump "]), st.uuids().map(str))
    | st.builds("dump memory {} {} +{}".format, st.uuids(), st.sampled_from(ADDRESSES), st.integers(-9, 5000))
)


@pytest.fixture(scope="module")
def undisturbed() -> list[object]:
    """The same guest that nobody asks anything."""
    with sample_guest() as guest:
        return list(_instants(guest))


def _instants(guest: Guest) -> Iterator[object]:
    timeline = guest.debugger.timeline
    for number in range(INSTANTS):
        timeline.run(Position(BEGIN + number * STRETCH).tick)
        yield digest(guest.debugger.machine)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, min_size=INSTANTS * 3, max_size=INSTANTS * 3))
def test_every_word_is_answered_and_the_guest_goes_on_as_without(
    undisturbed: list[object], tmp_path: Path, lines: list[str]
) -> None:
    with sample_guest() as guest:
        monitor = GuestMonitor(guest.debugger, alone(guest.debugger), Outbox(tmp_path / "files"))
        for number, seen in enumerate(_instants(guest)):
            assert seen == undisturbed[number]
            for line in lines[number * 3 : number * 3 + 3]:
                answer = monitor.run(line, lambda _text: None, lambda: None)
                assert answer or line == "info name", line
                assert "defect" not in answer, answer
            assert digest(guest.debugger.machine) == seen
        assert not guest.debugger.timeline.history.inputs
