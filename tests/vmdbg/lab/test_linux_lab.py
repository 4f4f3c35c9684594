"""Three Linux machines, in all the ways of running them: the same to the last bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT
from tests.vmdbg.lab.linux_lab import CLIENT, ROUTER, SERVER, lab_initrd, lab_toml
from vmdbg.api.lab import STEP
from vmdbg.api.lab_recording import LabRecording
from vmdbg.lab.fabric import Hop
from vmdbg.lab.folder import HEAD
from vmdbg.machine.digest import Digest


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """This process and those that it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _fetched(
    plan: Path, *, processes: bool, cores: int, record: Path | None = None
) -> tuple[dict[str, Digest], set[Hop]]:
    with _on_cores(cores), vmdbg.Lab(plan, processes=processes, record=record) as lab:
        for machine in (SERVER, ROUTER, CLIENT):
            lab.expect(machine, PROMPT)
        lab.send(CLIENT, "busybox wget -q -O - http://10.0.2.2/page | wc -l; echo DONE-$?\n")
        assert "\n4000\r" in lab.expect(CLIENT, "DONE-0")
        return lab.digests(), set(lab.hops)


def _known(hop: Hop) -> tuple[Hop, int]:
    """What a recording has of it."""
    return replace(hop, data=hop.data[:HEAD]), len(hop.data)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_page_comes_through_the_router_at_the_same_ticks_however_they_are_run(tmp_path: Path) -> None:
    plan = lab_toml(tmp_path / "three.toml", lab_initrd())
    digests, hops = _fetched(plan, processes=False, cores=1, record=tmp_path / "run")
    assert len(hops) > 100
    assert not any(hop.lost for hop in hops)
    for cores in (1, 2):
        assert _fetched(plan, processes=True, cores=cores) == (digests, hops)
    with LabRecording(tmp_path / "run") as recording:
        assert all(agreed == known > 1 for agreed, known in recording.verify().values())
        recording.seek(recording.end)
        assert recording.digests() == digests
        sent = sorted(hop.sent for hop in hops)
        for at, processes in ((sent[len(sent) // 2] + 7, False), (sent[-len(sent) // 4] + 300_000, True)):
            with recording.fork(at, processes=processes) as lab:
                lab.run_until(recording.end // STEP * STEP)
                assert lab.digests() == digests
                assert {_known(hop) for hop in lab.hops} == {_known(hop) for hop in hops}
            with recording.fork(at) as lab:
                lab.do("cut uplink")
                lab.run(400_000_000)
                assert {hop.lost for hop in lab.hops if hop.link == "uplink" and hop.sent > at} == {"cut"}
