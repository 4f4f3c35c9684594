"""Debian's vmlinux with debug information: 590 MB, linked, with ten million relocations that are applied already."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.linux_assets import AssetsMissingError, cloud_debug_vmlinux
from vmdbg.errors import UserError
from vmdbg.symbols.line_file import LineFile
from vmdbg.symbols.load import load_file
from vmdbg.symbols.placement import Placement, section_placement
from vmdbg.symbols.source import SymbolSource

FIRST, AGAIN = 2.0, 0.05


@pytest.fixture(scope="module")
def vmlinux() -> Path:
    try:
        return cloud_debug_vmlinux()
    except AssetsMissingError as error:
        pytest.skip(f"Debian's kernel with debug information cannot be had: {error}")


@contextmanager
def cpu_seconds() -> Iterator[list[float]]:
    spent: list[float] = []
    before = time.process_time()
    yield spent
    spent.append(time.process_time() - before)


def first_line_of(path: Path, function: str) -> str:
    table, debug = load_file(SymbolSource(path))
    start = table.find(function)
    assert start is not None
    return str(LineFile(debug, Placement()).at(start))


def test_lines_come_at_once_and_sooner_the_second_time(
    vmlinux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with cpu_seconds() as first:
        line = first_line_of(vmlinux, "do_sys_openat2")
    assert line.startswith("fs/open.c:") or line.rpartition(":")[0].endswith("/fs/open.c")
    with cpu_seconds() as again:
        assert first_line_of(vmlinux, "do_sys_openat2") == line
    assert first[0] < FIRST
    assert again[0] < AGAIN


def test_what_is_kept_on_disk_is_checked(vmlinux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    line = first_line_of(vmlinux, "vfs_read")
    kept = list((tmp_path / "vmdbg" / "symbols").iterdir())
    assert kept
    for path in kept:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    assert first_line_of(vmlinux, "vfs_read") == line


def test_a_line_is_found_without_reading_every_unit(vmlinux: Path) -> None:
    table, debug = load_file(SymbolSource(vmlinux))
    lines = LineFile(debug)
    start = table.find("do_sys_openat2")
    assert start is not None
    at = lines.at(start)
    assert at is not None
    with cpu_seconds() as spent:
        assert start in lines.starts_of("fs/open.c", at.line)
    assert spent[0] < FIRST
    in_header = lines.find("include/linux/list.h", 1)
    assert in_header is not None
    assert in_header.file.endswith("include/linux/list.h")


def test_a_file_that_changes_while_it_is_open_is_said(tmp_path: Path) -> None:
    path = tmp_path / "program"
    compile_c(path, "int main(void) { return 0; }")
    table, debug = load_file(SymbolSource(path))
    assert debug is not None
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(UserError, match=r"program has changed since it was read; `symbol-file "):
        debug.identity((".symtab",))
    start = table.find("main")
    assert start is not None
    assert LineFile(debug).at(start) is None


def test_sections_of_what_is_not_linked_are_placed_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "module.o"
    late = '__attribute__((section(".init.text"))) int second(int n)\n{ return n; }'
    source = f"int first(int n) {{ return n + 1; }}\n{late}"
    compile_c(path, source, "-c")
    table, debug = load_file(SymbolSource(path))
    assert debug is not None
    table.placement = section_placement(debug.sections, {".text": 0xFFFF_FFFF_C000_0000})
    assert table.find("first") == 0xFFFF_FFFF_C000_0000
    assert table.find("second") is None
    table.placement = section_placement(debug.sections, {".text": 0x5000, ".init.text": 0x9_0000_0000})
    lines = LineFile(debug, table.placement)
    assert table.find("second") == 0x9_0000_0000
    assert str(table.nearest(0x9_0000_0001)) == "second+0x1"
    assert [str(at).rpartition("/")[2] for at in (lines.at(0x5000), lines.at(0x9_0000_0000))] == ["c.c:1", "c.c:3"]
    found = lines.find("c.c", 3)
    assert found is not None
    assert found.start == 0x9_0000_0000
    assert table.nearest(0x7000) is None


def compile_c(target: Path, source: str, *options: str) -> None:
    text = target.parent / "c.c"
    text.write_text(source)
    command = [require("gcc"), "-g", *options, "-o", str(target), str(text)]
    subprocess.run(command, check=True, capture_output=True)
