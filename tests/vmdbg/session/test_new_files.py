"""Where files that commands write may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.session import new_files
from vmdbg.session.new_files import AnywhereNew, Outbox


def test_the_users_own_files_may_be_anywhere_but_are_new(tmp_path: Path) -> None:
    assert AnywhereNew().place(str(tmp_path / "new")) == tmp_path / "new"
    (tmp_path / "there").write_text("precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(UserError, match="not overwritten"):
            AnywhereNew().place(str(tmp_path / name))


def test_an_outbox_is_private_and_made_when_needed(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    assert Outbox(directory).place("crash-1.vmdbg") == directory / "crash-1.vmdbg"
    assert directory.stat().st_mode & 0o777 == 0o700


@settings(suppress_health_check=list(HealthCheck))
@given(name=st.text(max_size=120) | st.sampled_from(["..", ".", "", "../x", "/etc/passwd", "~/x", "a/b", "a\0b", ".x"]))
def test_no_name_leads_out_of_an_outbox(tmp_path: Path, name: str) -> None:
    try:
        found = Outbox(tmp_path).place(name)
    except UserError:
        return
    assert found.parent == tmp_path
    assert found.name == name


def test_an_outbox_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_bytes(bytes(100))
    Outbox(tmp_path).place("two")
    monkeypatch.setattr(new_files, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="full"):
        Outbox(tmp_path).place("two")
    monkeypatch.setattr(new_files, "MOST_BYTES", 1000)
    monkeypatch.setattr(new_files, "MOST_FILES", 1)
    with pytest.raises(UserError, match="full"):
        Outbox(tmp_path).place("two")
