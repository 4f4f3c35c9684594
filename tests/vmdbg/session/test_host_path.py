"""Paths as users type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.session.host_path import host_path


def test_a_tilde_is_the_home_and_a_file_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert host_path("~/new") == tmp_path / "new"
    assert host_path(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("words", ["a\0b", "x" * 5000, "~nobody-of-that-name/file"])
def test_what_no_file_can_be_called_is_refused_in_words(words: str) -> None:
    with pytest.raises(UserError, match="is no path"):
        host_path(words)
