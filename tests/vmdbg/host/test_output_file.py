"""Files that are written when a run has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.host.output_file import NewFiles, check_path


def test_looking_whether_a_file_can_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    missing, kept, dangling = tmp_path / "missing", tmp_path / "kept", tmp_path / "link"
    kept.write_text("kept")
    dangling.symlink_to(tmp_path / "nothing")
    for path in (missing, kept, dangling):
        check_path(str(path), "the digest")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link"]
    assert kept.read_text() == "kept"
    assert dangling.is_symlink()
    with pytest.raises(UserError, match="cannot write the digest"):
        check_path(str(tmp_path), "the digest")
    with pytest.raises(UserError, match="cannot write the digest"):
        check_path(str(tmp_path / "no folder" / "file"), "the digest")


def test_new_files_of_what_is_refused_are_not_left(tmp_path: Path) -> None:
    new, kept, used = (str(tmp_path / name) for name in ("new", "kept", "used"))
    Path(kept).write_text("kept")
    refused, done = NewFiles(new, kept, None, str(tmp_path / "never")), NewFiles(used, None)
    for path in (new, used):
        Path(path).write_text("used")
    with pytest.raises(UserError), refused.not_left():
        raise UserError("refused")
    with done.not_left():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "used"]
    assert Path(kept).read_text() == "kept"
