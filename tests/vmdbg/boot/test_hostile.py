"""Whatever the bytes, a loader lays out a guest within its RAM or raises UserError."""

from __future__ import annotations

import struct
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmdbg.boot.builders import (
    LOAD,
    NOTE,
    PACKERS,
    Part,
    bzimage,
    elf32,
    elf64,
    input_file,
    note,
    vmlinux,
)
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, E820Type, Protocol
from vmdbg.errors import UserError
from vmdbg.units import Physical

MIB = 1 << 20
MEMORY = 24 * MIB
MULTIBOOT = struct.pack("<8I", 0x1BADB002, 1 << 16, 0xE4514FFE - (1 << 16), *[0x100000] * 2, 0, 0, 0x100020)
RELOCATABLE = struct.pack("<HHIIIII", 10, 0, 24, 0x100000, 0xFFFFFF, 0x1000, 1)


def _multiboot2(tags: bytes) -> bytes:
    """A header with tags, each of which fills whole multiples of 8 bytes."""
    size = 16 + len(tags) + 8
    head = struct.pack("<4I", 0xE85250D6, 0, size, -(0xE85250D6 + size) & 0xFFFFFFFF)
    return head + tags + struct.pack("<HHI", 0, 0, 8)


ADDRESSES = struct.pack("<HHIIIII", 2, 0, 24, 0x100000, 0x100000, 0, 0)
MULTIBOOT2 = _multiboot2(ADDRESSES + struct.pack("<HHIII", 3, 0, 12, 0x100040, 0))
VALID = (
    bzimage(PACKERS["lz4"](vmlinux())),
    bzimage(PACKERS["gzip"](vmlinux()), xloadflags=0),
    vmlinux(),
    elf64([Part(0x200000, bytes(64))], 0x200000),
    elf32([Part(0x200000, bytes(64))], 0x200000),
    elf64([Part(0, note(b"Xen", 18, struct.pack("<I", 0x200000)), type=NOTE), Part(0x200000, bytes(64))], 0),
    MULTIBOOT + bytes(64),
    bytes(510) + b"\x55\xaa",
    bytes(510) + b"\x55\xaa" + bytes(3000),
    MULTIBOOT2 + bytes(64),
    elf32([Part(0x200000, _multiboot2(RELOCATABLE) + bytes(64))], 0x200020),
)

values = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from([b"\xff" * 8, bytes(8), b"\xff" * 4, bytes(4), struct.pack("<Q", 1 << 63)]),
)
mutations = st.lists(st.tuples(st.integers(0, 6000), values), min_size=1, max_size=6)
options = st.builds(
    BootOptions,
    memory=st.just(MEMORY),
    initrd=st.sampled_from([None, input_file(bytes(5000), "initrd")]),
    append=st.sampled_from(["", "quiet"]),
    via_decompressor=st.booleans(),
    via_setup=st.booleans(),
    protocol=st.one_of(st.none(), st.sampled_from(Protocol)),
    load_address=st.one_of(st.none(), st.integers(0, 1 << 40).map(Physical)),
    mode=st.one_of(st.none(), st.sampled_from(CpuMode)),
)


def _check(image: BootImage) -> None:
    ram = [segment for segment in image.segments if not segment.rom]
    assert all(segment.end <= MEMORY for segment in ram)
    assert all(first.end <= second.address for first, second in pairwise(ram))
    if image.protocol is not Protocol.BIOS:
        usable = [entry for entry in image.e820 if entry.type is E820Type.USABLE]
        assert any(entry.address <= image.entry < entry.end for entry in usable)
    assert 0 <= image.start.rsp <= MEMORY


def _boot(chosen: BootOptions, data: bytes) -> None:
    try:
        image = boot_image(_with(chosen, data))
    except UserError:
        return
    _check(image)


def _with(chosen: BootOptions, data: bytes) -> BootOptions:
    return BootOptions(
        memory=chosen.memory,
        kernel=input_file(data),
        initrd=chosen.initrd,
        append=chosen.append,
        via_decompressor=chosen.via_decompressor,
        via_setup=chosen.via_setup,
        protocol=chosen.protocol,
        load_address=chosen.load_address,
        mode=chosen.mode,
    )


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(VALID), mutations)
def test_a_mutated_guest_is_laid_out_or_refused(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    mutated = bytearray(data)
    for where, value in changes:
        start = where % len(mutated)
        mutated[start : start + len(value)] = value
    _boot(BootOptions(MEMORY), bytes(mutated))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID), st.integers(0, 6000), options)
def test_a_cut_guest_with_any_options_is_laid_out_or_refused(data: bytes, kept: int, chosen: BootOptions) -> None:
    _boot(chosen, data[: kept or len(data)])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"", b"\x7fELF", b"\x7fELF\2\1\1", MULTIBOOT[:12]]), st.binary(max_size=600), options)
def test_random_bytes_are_laid_out_or_refused(magic: bytes, tail: bytes, chosen: BootOptions) -> None:
    _boot(chosen, magic + tail)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([elf32, elf64]),
    st.lists(
        st.tuples(
            st.integers(0, 32 * MIB),
            st.integers(0, 3000),
            st.integers(0, 32 * MIB),
            st.sampled_from([LOAD, NOTE]),
        ),
        max_size=20,
    ),
    st.integers(0, 32 * MIB),
)
def test_any_segments_are_laid_out_or_refused(build, parts, entry) -> None:  # type: ignore[no-untyped-def]
    made = [Part(at, bytes(size), memory_size=size + more, type=kind) for at, size, more, kind in parts]
    _boot(BootOptions(MEMORY), build(made, entry))


@pytest.mark.parametrize("name", sorted(PACKERS))
def test_a_decompression_bomb_costs_little_more_than_the_guests_ram(name: str) -> None:
    kernel = bzimage(PACKERS[name](bytes(40 * MIB)))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="unpacks to more than 24 MiB"):
            boot_image(BootOptions(MEMORY, input_file(kernel)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MEMORY


def test_many_overlapping_segments_cannot_multiply_the_file() -> None:
    parts = [Part(0x200000, bytes(1), memory_size=MIB)] * 500
    with pytest.raises(UserError, match="overlaps"):
        boot_image(BootOptions(MEMORY, input_file(elf64(parts, 0x200000))))
