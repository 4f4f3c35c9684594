"""The engine, QEMU's user mode and this machine's CPU on the same random instructions."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import GROUPS
from tests.conformance.layout import State
from tests.conformance.qemu import QemuCpu, Votes, is_there, vote
from tests.conformance.session import batch

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the judge is an x86-64 CPU"),
    pytest.mark.skipif(not is_there(), reason="qemu-user is not installed"),
]
INSTRUCTIONS, STATES = 40, 4


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host")) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuCpu]:
    with QemuCpu(tmp_path_factory.mktemp("qemu")) as cpu:
        yield cpu


def small_batch(group: str) -> Batch:
    whole = batch(group, 1)
    return Batch(whole.instructions[:INSTRUCTIONS], whole.states[:STATES])


@pytest.mark.parametrize("group", GROUPS)
def test_what_differs_from_qemu_is_what_this_cpu_does(group: str, host: HostCpu, qemu: QemuCpu) -> None:
    guest, votes = GuestCpu(), Votes()
    vote(group, 1, small_batch(group), host, qemu, guest, votes)
    guest.close()
    assert not votes.unexplained, "\n".join(map(str, votes.unexplained[:10]))
    assert votes.cases == INSTRUCTIONS * STATES
    assert votes.agreed


def test_an_engine_that_is_alone_is_not_explained(host: HostCpu, qemu: QemuCpu) -> None:
    class Wrong:
        def run(self, batch: Batch) -> list[State]:
            first, *rest = host.run(batch)
            return [State(bytes([first.raw[0] ^ 1]) + first.raw[1:]), *rest]

    votes = Votes()
    vote("one byte", 1, small_batch("one byte"), host, qemu, Wrong(), votes)
    (unexplained,) = votes.unexplained
    assert [difference.name for difference in unexplained.differences] == ["rax"]
