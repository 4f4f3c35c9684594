"""Symbol tables and source lines, against what nm and the compiler say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.guests.build import require, sample_kernel
from vmdbg.errors import UserError
from vmdbg.symbols.elf import open_elf
from vmdbg.symbols.line_file import LineFile
from vmdbg.symbols.load import load_symbols
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.symbol_set import SymbolSet
from vmdbg.symbols.table import Entry, SymbolTable


def nm(path: Path) -> dict[str, int]:
    lines = subprocess.run([require("nm"), str(path)], check=True, capture_output=True, text=True).stdout.splitlines()
    words = [line.split() for line in lines]
    return {name: int(address, 16) for address, kind, name in words if kind not in "aA"}


@contextmanager
def refused_naming(path: Path) -> Iterator[None]:
    """What is done with a damaged file works, or is refused with an error that names the file."""
    refusals: list[str] = []
    try:
        yield
    except UserError as error:
        refusals.append(str(error))
    assert all(str(path) in refusal for refusal in refusals)


def test_every_symbol_is_where_nm_says() -> None:
    table, known = load_symbols(SymbolSource(sample_kernel())), nm(sample_kernel())
    assert len(known) > 200
    assert all(table.find(name) in (address, known[name]) for name, address in known.items())


def test_the_output_of_nm_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_text(
        subprocess.run([require("nm"), str(sample_kernel())], check=True, capture_output=True, text=True).stdout
    )
    table = load_symbols(SymbolSource(path), slide=0x1000)
    assert all(table.find(name) == address + 0x1000 for name, address in list(nm(sample_kernel()).items())[:50])


@example([(114, 2), (114, 1)], 115)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40)), max_size=30), st.integers(0, 600))
def test_nearest_is_a_symbol_that_contains_the_address(places: list[tuple[int, int]], address: int) -> None:
    table = SymbolTable(Entry(f"s{number}", start, size) for number, (start, size) in enumerate(places))
    found = table.nearest(address)
    if found is None:
        below = max((place for place in places if place[0] <= address), default=(0, 0))
        assert not below[0] <= address < sum(below)
        return
    assert found.symbol.address + found.offset == address
    assert not found.symbol.size or found.offset < found.symbol.size


def test_names_by_their_beginning() -> None:
    table = SymbolTable(Entry(f"name_{number:05}", number) for number in range(2000))
    assert list(table.matching("name_0001", 5)) == [f"name_0001{digit}" for digit in range(5)]
    assert list(table.matching("zzz")) == []


def test_the_closest_of_several_tables_counts() -> None:
    both = SymbolSet()
    both.add(SymbolTable([Entry("far", 0x1000)]))
    both.add(SymbolTable([Entry("near", 0x1100, 16)]))
    assert both.describe(0x1104) == "near+0x4"
    assert both.describe(0x1050) == "far+0x50"


def test_lines_both_ways() -> None:
    lines, table = LineFile(open_elf(SymbolSource(sample_kernel()))), load_symbols(SymbolSource(sample_kernel()))
    start = table.find("deposit")
    assert start is not None
    at = lines.at(start)
    assert at is not None
    assert (Path(at.file).name, at.line) == ("bank.c", 62)
    assert lines.find("bank.c", 62) == at
    assert at.start == start
    assert lines.is_start(start)
    assert lines.span(start) is not None
    assert lines.at(0x10) is None
    assert any(name.endswith("boot.S") for name in lines.files())


def test_damaged_files_are_refused_or_empty(tmp_path: Path) -> None:
    whole = sample_kernel().read_bytes()
    path = tmp_path / "damaged"
    for cut in (4, 64, 1000, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with refused_naming(path):
            load_symbols(SymbolSource(path))
            LineFile(open_elf(SymbolSource(path))).find("bank.c", 62)
    path.write_bytes(whole[:5000] + bytes(2000) + whole[7000:])
    with refused_naming(path):
        LineFile(open_elf(SymbolSource(path))).at(0xFFFFFFFF80101000)
    with pytest.raises(UserError, match="cannot read"):
        load_symbols(SymbolSource(tmp_path / "missing"))
    path.write_bytes(b"MZ\0\0" * 100)
    with pytest.raises(UserError, match=r"damaged has no symbols: it is no ELF file, System.map or output of nm"):
        load_symbols(SymbolSource(path))
