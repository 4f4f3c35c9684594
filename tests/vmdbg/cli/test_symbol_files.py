"""Files that tell of nothing are refused where they are named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.guests.build import require
from vmdbg.cli.symbol_files import symbol_files
from vmdbg.errors import UserError

FLAGS = ("-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none")


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "it is empty"), (" \n\n", "no line of it"), ("0000000000000000 A nothing\n", "no line of it")],
)
def test_a_list_without_a_symbol_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "System.map"
    path.write_text(content)
    with pytest.raises(UserError, match=f"{path} has no symbols: {why}"):
        symbol_files([str(path)])


def test_a_stripped_program_is_refused_unless_it_tells_of_its_frames(tmp_path: Path) -> None:
    source, plain, framed = tmp_path / "program.s", tmp_path / "plain", tmp_path / "framed"
    code = ".globl _start\n_start: {}nop\n{}hlt\n"
    for path, begin, end in ((plain, "", ""), (framed, ".cfi_startproc\n", ".cfi_endproc\n")):
        source.write_text(code.format(begin, end))
        subprocess.run([require("gcc"), *FLAGS, "-o", str(path), str(source)], check=True)
        assert len(symbol_files([str(path)])[0].table)
        subprocess.run([require("strip"), str(path)], check=True)
    with pytest.raises(UserError, match="was stripped"):
        symbol_files([str(plain)])
    assert symbol_files([str(framed)])[0].debug is not None
