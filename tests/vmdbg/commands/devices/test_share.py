"""`share`, `share changes` and `share export` on a guest that writes to a share, at any instant."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.determinism.test_shares import MARKS, share_origin
from tests.devices.ninep.client import Client
from tests.devices.ninep.client import Share as OneShare
from tests.devices.ninep.test_against_a_folder import Model, act, planted, tree_at
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.share_export import export_changes
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = tmp_path / "folder"
    (folder / "d").mkdir(parents=True)
    (folder / "d" / "read").write_bytes(bytes(30_000))
    origin = share_origin(folder)
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.run(Tick(MARKS[2]))
    made = Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)
    yield made
    made.debugger.close()
    made.debugger.machine.media.close()


def test_what_has_changed_is_listed_and_written_and_the_guest_cannot_tell(session: Session, tmp_path: Path) -> None:
    machine = session.debugger.machine
    before, asked = digest(machine), machine.pc.devices["share0"].asked
    assert session.execute("share").splitlines()[1].split()[:2] == ["share0", "src"]
    assert "d/read" in session.execute("share changes")
    there = tmp_path / "out"
    assert "of src" in session.execute(f"share export {there} --share src")
    expected = bytearray(30_000)
    expected[5000:5006] = b"middle"
    assert (there / "d" / "read").read_bytes() == expected
    with pytest.raises(UserError, match="exists; nothing is written over it"):
        session.run(f"share export {there}")
    assert (digest(machine), machine.pc.devices["share0"].asked) == (before, asked)
    session.run("goto start")
    assert "nothing of src" in session.execute("share changes -s share0 -n 20")
    with pytest.raises(UserError, match=r"there is no share 'srx'; did you mean .*src.*there are: share0, src"):
        session.run("share changes -s srx")


def test_a_machine_without_a_share(live: Session) -> None:
    assert "no shared folders" in live.execute("share")
    with pytest.raises(UserError, match="this machine shares no folder"):
        live.run("share changes")


class Unit:
    def __init__(self, share: OneShare) -> None:
        self.server = share.server


@pytest.mark.parametrize("seed", range(5))
def test_the_folder_under_what_was_exported_is_what_the_guest_sees(tmp_path: Path, seed: int) -> None:
    """But for what the guest has removed."""
    chance = random.Random(seed)
    host, own, there = tmp_path / "host", tmp_path / "own", tmp_path / "there"
    planted(host, chance)
    shutil.copytree(host, own, symlinks=True)
    share = OneShare(host)
    client, model = Client(share), Model(own)
    for _ in range(60):
        act(chance, client, model, links=False)
    export_changes(Unit(share), share.answers.source, there)  # type: ignore[arg-type]  # its server alone counts
    expected, found, base = tree_at(own), tree_at(there), tree_at(host)
    for path, what in found.items():
        assert path in expected
        assert what[1] == expected[path][1], path
    for path, what in expected.items():
        assert path in found or base.get(path) == what, path


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    host, there = tmp_path / "host", tmp_path / "there"
    host.mkdir()
    share = OneShare(host)
    client = Client(share)
    client.symlink("bad", "../../etc/passwd")
    client.symlink("good", "bad")
    client.create("bad2", b"x")
    done = export_changes(Unit(share), None, there)  # type: ignore[arg-type]  # its server alone counts
    assert sorted(os.listdir(there)) == ["bad2", "good"]
    assert [path for path, _ in done.left] == [b"bad"]
