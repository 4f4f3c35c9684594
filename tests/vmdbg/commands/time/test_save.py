"""save and snapshot."""

from __future__ import annotations

from pathlib import Path

from tests.vmdbg.conftest import EVERYTHING
from vmdbg.api.boot import open_recording, resume
from vmdbg.commands import catalog
from vmdbg.machine.digest import digest
from vmdbg.session.session import Session


def test_a_saved_history_has_the_same_instants(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "crash.vmdbg"
    here = session.debugger.position
    assert f"{path}: from tick" in session.execute(f"save {path}")
    with open_recording(path) as guest:
        assert guest.timeline.end == session.debugger.timeline.end
        guest.timeline.seek(here)
        assert digest(guest.timeline.machine) == digest(session.debugger.machine)


def test_a_snapshot_goes_on_from_the_instant(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "before.vmdbg"
    session.run("stepi 3")
    assert f"the machine at tick {session.debugger.position}" in session.execute(f"snapshot {path}")
    with resume(path) as guest:
        assert digest(guest.timeline.machine) == digest(session.debugger.machine)
        session.run("goto +1000")
        guest.timeline.run(session.debugger.position.tick)
        assert digest(guest.timeline.machine) == digest(session.debugger.machine)


def test_no_file_is_overwritten(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("precious")
    for name in ("save", "snapshot"):
        assert session.execute(f"{name} {path}").startswith("error: ")
        assert session.execute(f"{name} {tmp_path}/no/such/directory").startswith("error: ")
    assert path.read_text() == "precious"


def test_only_who_may_reach_the_host_can_write_files(session: Session, tmp_path: Path) -> None:
    for allowed in (EVERYTHING.RUNS, EVERYTHING.CHANGES):
        guarded = Session(session.debugger, catalog.commands(), allowed=allowed, owner="guarded")
        for name in ("save", "snapshot"):
            assert "writes a file of the host" in guarded.execute(f"{name} {tmp_path}/file")
        guarded.close()
    assert not list(tmp_path.iterdir())
