"""What --module says."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.host.modules import ModuleChoice, parse_module


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("file", ModuleChoice("file")),
        ("file,text=", ModuleChoice("file")),
        (
            "dir/a b,text=root=/dev/sda console=hvc0,115200",
            ModuleChoice("dir/a b", "root=/dev/sda console=hvc0,115200"),
        ),
        ("a,,b", ModuleChoice("a,b")),
        ("a,,text=b,text=c", ModuleChoice("a,text=b", "c")),
        ("a,text=b,,c,text=d,", ModuleChoice("a", "b,,c,text=d,")),
        ("text=x", ModuleChoice("text=x")),
    ],
)
def test_a_file_and_all_that_is_behind_text(text: str, choice: ModuleChoice) -> None:
    assert parse_module(text) == choice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no file"),
        (",text=x", "names no file"),
        ("a,b", "no option 'b'; it has: text=TEXT"),
        ("a,readonly,text=x", "no option 'readonly'"),
        ("a,text", "no option 'text'"),
        ("a\0b", "NUL"),
        ("a,text=b\0", "NUL"),
    ],
)
def test_what_is_not_said_so_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_module(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        parse_module(str(tmp_path / "nowhere")).read()
