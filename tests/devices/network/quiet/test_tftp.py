"""TFTP of the quiet network: files of every size come whole, and nothing else does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from devices.network.inputs import FaultsInput
from devices.network.quiet.tftp import BLOCK, LARGEST_BLOCK, MOST_TRANSFERS
from tests.devices.network.quiet.guest import GATEWAY, SECOND, Guest, read_datagram

DATA = random.Random(2).randbytes(150_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("tftp")
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 70_000, 150_000):
        (found / str(size)).write_bytes(DATA[:size])
    (found / "dir").mkdir()
    (found / "link").symlink_to("/etc/passwd")
    return found


def request(name: str, *options: str, opcode: int = 1) -> bytes:
    return bytes([0, opcode]) + "\0".join([name, "octet", *options, ""]).encode()


def fetch(guest: Guest, name: str, *options: str, seconds: int = 30) -> bytes | str:
    """What came, or the words of the error."""
    found, wanted, theirs, size = b"", 1, 0, BLOCK
    deadline = guest.now + seconds * SECOND
    packets: list[tuple[int, bytes]] = []
    guest.on_frame = lambda frame: packets.append(read_datagram(frame)) if frame[23] == 17 else None
    guest.send(guest.datagram(GATEWAY, 69, request(name, *options)))
    while guest.now < deadline:
        guest.run(guest.now + SECOND // 1000)
        for port, data in packets[:]:
            packets.remove((port, data))
            theirs = theirs or port
            assert port == theirs
            kind, number = data[1], int.from_bytes(data[2:4], "big")
            if kind == 5:
                return data[4:-1].decode()
            if kind == 6:
                words = data[2:-1].decode().split("\0")
                answered = dict(zip(words[::2], words[1::2], strict=True))
                size = int(answered.get("blksize", BLOCK))
                assert answered.get("tsize", name) == name
                guest.send(guest.datagram(GATEWAY, port, b"\0\4\0\0"))
                continue
            assert kind == 3
            assert len(data) - 4 <= size
            if number == wanted & 0xFFFF:
                found += data[4:]
                wanted += 1
                if len(data) - 4 < size:
                    deadline = min(deadline, guest.now + 20 * SECOND)
            guest.send(guest.datagram(GATEWAY, port, b"\0\4" + number.to_bytes(2, "big")))
    return found


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_files_of_every_size_come_whole(folder, size):
    guest = Guest(folder)
    assert fetch(guest, str(size), seconds=3) == DATA[:size]
    assert guest.quiet.save().transfers == []


@pytest.mark.parametrize(
    "options", [("blksize", "1432"), ("tsize", "0"), ("BLKSIZE", "9000", "tsize", "0"), ("x", "y")]
)
def test_options_are_agreed_on(folder, options):
    guest = Guest(folder)
    assert fetch(guest, "150000", *options, seconds=3) == DATA


def test_blocks_are_never_larger_than_a_frame_takes(folder):
    guest = Guest(folder)
    frames: list[bytes] = []
    guest.on_frame = frames.append
    guest.send(guest.datagram(GATEWAY, 69, request("70000", "blksize", "65464")))
    guest.run(SECOND // 100)
    assert f"blksize\0{LARGEST_BLOCK}\0".encode() in frames[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_cable_delays_and_spoils_nothing(folder, seed):
    guest = Guest(folder)
    guest.cable.take(FaultsInput("net0-cable", loss=30_000, duplicate=50_000, reorder=50_000, seed=seed), 0)
    assert fetch(guest, "70000", seconds=120) == DATA[:70_000]


@pytest.mark.parametrize("name", ["none", "dir", "link", "../70000", "dir/../../70000", "/", ""])
def test_what_is_no_file_of_the_folder_is_not_found(folder, name):
    assert fetch(Guest(folder), name, seconds=1) == "file not found"


def test_nothing_can_be_written_and_nonsense_is_refused(folder):
    guest = Guest(folder)
    ((_, data),) = guest.udp(GATEWAY, 69, request("new", opcode=2))
    assert data == b"\0\5\0\2files are only read here\0"
    for nonsense in (b"", b"\0\1", b"\0\1name\0mail\0", b"\0\7a\0octet\0"):
        ((_, data),) = guest.udp(GATEWAY, 69, nonsense)
        assert data[:4] == b"\0\5\0\4"
    assert not (folder / "new").exists()


def test_without_a_folder_nothing_is_there():
    assert fetch(Guest(), "70000", seconds=1) == "file not found"


def test_who_does_not_answer_is_forgotten_and_a_flood_is_bounded(folder):
    guest = Guest(folder)
    for source in range(5000, 5000 + 3 * MOST_TRANSFERS):
        guest.udp(GATEWAY, 69, request("70000"), source=source)
    assert len(guest.quiet.save().transfers) == MOST_TRANSFERS
    guest.run(guest.now + 20 * SECOND)
    state = guest.quiet.save()
    assert (state.transfers, state.waiting) == ([], [])
