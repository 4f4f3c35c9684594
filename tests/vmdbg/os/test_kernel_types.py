"""Types read from a running kernel against pahole and bpftool on the same BTF."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.vmdbg.os.conftest import Guest
from vmdbg.c.types import Kind
from vmdbg.os.linux.types import Type

STRUCTS = 50


@pytest.fixture
def btf_file(guest: Guest, tmp_path: Path) -> Path:
    path = tmp_path / "vmlinux.btf"
    path.write_bytes(guest.linux.kernel.types.btf.data)
    return path


def random_structs(guest: Guest) -> list[Type]:
    """Of names that mean one struct: pahole is asked by name."""
    btf = guest.linux.kernel.types.btf
    structs = list(btf.ids_of_kind(Kind.STRUCT))
    times = Counter(btf.record(n).name for n in structs)
    ids = [n for n in structs if times[btf.record(n).name] == 1 and btf.record(n).name and btf.record(n).vlen > 2]
    return [Type(btf, n) for n in random.Random(6).sample(ids, STRUCTS)]


def test_random_structs_have_the_layout_that_bpftool_prints(guest: Guest, btf_file: Path) -> None:
    bpftool = shutil.which("bpftool") or shutil.which("/usr/sbin/bpftool")
    if bpftool is None:
        pytest.skip("needs bpftool")
    shown = subprocess.run(
        [bpftool, "btf", "dump", "file", btf_file], capture_output=True, text=True, check=True
    ).stdout
    said: dict[int, tuple[str, int, list[tuple[str, int, int, int]]]] = {}
    for entry in re.split(r"\n(?=\[)", shown):
        head = re.match(r"\[(\d+)\] STRUCT '(\S+)' size=(\d+)", entry)
        if head:
            members = re.findall(r"\t'(\S+)' type_id=(\d+) bits_offset=(\d+)(?: bitfield_size=(\d+))?", entry)
            rows = [(n if n != "(anon)" else "", int(t), int(o), int(b or 0)) for n, t, o, b in members]
            said[int(head[1])] = head[2], int(head[3]), rows
    for type_ in random_structs(guest):
        mine = [(member.name, member.type, member.bit_offset, member.bits) for member in type_.members]
        assert (type_.name, type_.size, mine) == said[type_.btf_id]


def test_random_structs_have_the_offsets_that_pahole_prints(guest: Guest, btf_file: Path) -> None:
    if not shutil.which("pahole"):
        pytest.skip("needs pahole")
    checked = 0
    for type_ in random_structs(guest)[:10]:
        shown = subprocess.run(
            ["pahole", "-C", type_.name, btf_file], capture_output=True, text=True, check=False
        ).stdout
        size = re.search(r"/\* size: (\d+),", shown)
        if size is None:  # pahole is older than what this kernel's BTF holds
            continue
        assert type_.size == int(size[1])
        for name, offset in re.findall(r"^\t(?:[^\t{}]*\W)(\w+)(?:\[\d+\])*; +/\* +(\d+) +\d+ \*/", shown, re.M):
            assert type_.offset_of(name) == int(offset), (type_.name, name)
            checked += 1
    assert checked > 20 or guest.linux.info().release.startswith("7")


def test_modules_have_their_own_symbols_and_unwind_tables(guest: Guest) -> None:
    symbols = guest.linux.symbols
    (address,) = {symbol.address for symbol in symbols if (symbol.module, symbol.name) == ("brd", "brd_init")} or {0}
    location = symbols.nearest(symbols.address_of("loop:loop_add") + 4)
    assert str(location) == "loop_add+0x4 [loop]"
    assert address == 0 or symbols.describe(address)
    covered = {guest.linux.unwinder.tables.find(symbols.address_of("loop:loop_add"))}
    assert None not in covered
