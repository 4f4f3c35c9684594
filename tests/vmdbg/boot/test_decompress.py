import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmdbg.boot.builders import PACKERS
from vmdbg.boot.decompress import PayloadError, find_format, unpack

MIB = 1 << 20


def _sample(size: int) -> bytes:
    mixed = random.Random(1).randbytes(min(size, 50_000))
    return mixed + bytes(size - len(mixed))


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("size", [1, 4096, 9 * MIB])
def test_every_format_unpacks(name: str, size: int) -> None:
    data = _sample(size)
    packed = memoryview(PACKERS[name](data))
    found = find_format(packed)
    assert found is not None
    assert found.name == name
    assert unpack(packed, size) == data


@pytest.mark.parametrize("name", PACKERS)
def test_no_format_unpacks_beyond_the_limit(name: str) -> None:
    bomb = memoryview(PACKERS[name](bytes(21 * MIB)))
    with pytest.raises(PayloadError, match=r"more than 20 MiB"):
        unpack(bomb, 20 * MIB)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_truncated_data_is_damaged(name: str, kept: float) -> None:
    packed = PACKERS[name](_sample(100_000))
    with pytest.raises(PayloadError, match="is damaged"):
        unpack(memoryview(packed[: int(len(packed) * kept)]), MIB)


@pytest.mark.parametrize("name", PACKERS)
def test_a_wrong_size_is_noticed(name: str) -> None:
    packed = PACKERS[name](b"kernel" * 100)
    with pytest.raises(PayloadError, match="is damaged"):
        unpack(memoryview(packed[:-4] + struct.pack("<I", 599)), MIB)


def test_lzo_and_unknown_data_are_refused_by_name() -> None:
    with pytest.raises(PayloadError, match=r"lzo.*--via-decompressor"):
        unpack(memoryview(b"\x89LZO\0\r\n\x1a\n"), MIB)
    with pytest.raises(PayloadError, match=r"unknown way .*6b 65 72 6e 65 6c"):
        unpack(memoryview(b"kernel"), MIB)
    with pytest.raises(PayloadError, match="begins with nothing"):
        unpack(memoryview(b""), MIB)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 1 << 30), st.integers(0, 255), st.binary(max_size=40))
def test_mutated_data_raises_nothing_but_payload_errors(name: str, where: int, value: int, tail: bytes) -> None:
    packed = bytearray(PACKERS[name](b"kernel" * 100))
    packed[where % len(packed)] = value
    try:
        out = unpack(memoryview(bytes(packed) + tail), MIB)
    except PayloadError:
        return
    assert len(out) <= MIB
