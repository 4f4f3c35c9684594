"""Guests that send anything: nothing breaks, nothing grows, nothing of the host is reached, and saving sees it all."""

from __future__ import annotations

import copy
import random
import struct
from pathlib import Path

import pytest

from devices.ninep.session import LARGEST
from devices.ninep.tables import MOST_FIDS
from devices.ninep.wire import NO_FID, Type, text
from tests.devices.ninep.client import MESSAGE, START, Client, Share
from tests.devices.ninep.test_against_a_folder import assert_tidy, planted, tree_at

OPERATIONS = 6000
NAMES = [
    b"a", b"b", b"c", b"..", b".", b"", b"/", b"a/b", b"../..", b"/etc", b"x" * 255, b"x" * 256, b"n\0l", "ä".encode(),
]  # fmt: skip
MODES = [0, 0, 1, 2, 0o100, 0o200, 0o1000, 0o1001, 0o644, 0o40755, 0o100644]
LAYOUTS = {
    Type.READ: "fwn",
    Type.READDIR: "fwn",
    Type.LOPEN: "fs",
    Type.LCREATE: "ftssn",
    Type.SYMLINK: "fttn",
    Type.MKNOD: "ftsnnn",
    Type.RENAME: "fft",
    Type.RENAMEAT: "ftft",
    Type.LINK: "fft",
    Type.MKDIR: "ftsn",
    Type.UNLINKAT: "ftu",
    Type.SETATTR: "fvsnnwwwww",
    Type.ATTACH: "faatn",
    Type.XATTRWALK: "fft",
}
"""Letters name methods of Hostile."""
NUMBERS = [0, 1, 2, 7, 100, 4095, 4096, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
WIDE = [*NUMBERS, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


class Hostile:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def field(self, letter: str) -> bytes:
        """A value that should not be, or should."""
        chance = self.chance
        match letter:
            case "f":
                return struct.pack("<I", chance.choice([0, 1, 2, 3, 4, 5, 6, 7, NO_FID]))
            case "n":
                return struct.pack("<I", chance.choice(NUMBERS))
            case "w":
                return struct.pack("<Q", chance.choice(WIDE))
            case "t":
                return text(chance.choice(NAMES))
            case "s":
                return struct.pack("<I", chance.choice(MODES))
            case "u":
                return struct.pack("<I", chance.choice([0, 0x200]))
            case "v":
                return struct.pack("<I", chance.randrange(0x200))
        return struct.pack("<I", NO_FID)

    def body(self, kind: Type) -> bytes:
        """Fields as they should be."""
        chance = self.chance
        if kind is Type.WALK:
            count = chance.choice([0, 1, 1, 1, 2, 3, 16, 17])
            names = b"".join(self.field("t") for _ in range(count))
            return self.field("f") + self.field("f") + struct.pack("<H", count) + names
        if kind is Type.WRITE:
            data = chance.randbytes(chance.choice([0, 1, 100, 5000]))
            size = chance.choice([len(data), len(data), 7, 1 << 31])
            return self.field("f") + self.field("w") + struct.pack("<I", size) + data
        if kind is Type.VERSION:
            return struct.pack("<I", chance.choice([0, 4096, MESSAGE, 1 << 31])) + text(b"9P2000.L")
        return b"".join(map(self.field, LAYOUTS.get(kind, "fwww")))

    def message(self) -> bytes:
        chance = self.chance
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(60))
        kinds = list(Type)
        kind = chance.choice(kinds) if chance.random() > 0.01 else chance.randrange(256)
        if kind == Type.VERSION and chance.random() < 0.8:
            kind = Type.WALK
        body = self.body(kind) if isinstance(kind, Type) else chance.randbytes(20)
        if chance.random() < 0.05:
            body = body[: chance.randrange(len(body) + 1)]
        size = 7 + len(body) if chance.random() < 0.97 else chance.choice([0, 6, 1 << 31])
        return struct.pack("<IBH", size, kind, chance.randrange(1 << 16)) + body


@pytest.mark.parametrize(("direct", "read_only"), [(False, False), (True, False), (False, True)])
def test_hostile_guests(tmp_path: Path, direct: bool, read_only: bool) -> None:
    besiege(tmp_path, 0, OPERATIONS, direct=direct, read_only=read_only)


def besiege(scratch: Path, seed: int, operations: int, *, direct: bool, read_only: bool) -> int:
    """So many messages to a share in that folder. Returns how many."""
    chance = random.Random(f"{direct} {read_only} {seed}")
    outside, host = scratch / "outside", scratch / "host"
    planted(outside, chance)
    planted(host, chance)
    (host / "way-out").symlink_to(outside)
    before, kept = tree_at(outside), tree_at(host)
    share = Share(host, direct=direct, read_only=read_only, size=1 << 20)
    Client(share)
    hostile = Hostile(chance)
    for count in range(operations):
        if count % 500 == 250:
            state, areas = share.server.session.save(), dict(share.area.filled())
            copied = copy.deepcopy(state)
            share.server.session.restore(state)
            assert share.server.session.save() == copied
            assert dict(share.area.filled()) == areas
        room = chance.choice([7, 11, 100, 1000, MESSAGE])
        answer = share.server.answer(hostile.message(), room, START + count)
        assert len(answer) <= max(room, 200)
        size, _, _ = struct.unpack_from("<IBH", answer)
        assert size == len(answer) <= LARGEST
    assert tree_at(outside) == before
    if not direct:
        assert tree_at(host) == kept
    assert share.area.size == 1 << 20
    assert len(share.server.session.tables.fids) <= 9
    assert_tidy(share)
    return operations


def test_no_guest_holds_more_than_there_is_room_for(tmp_path: Path) -> None:
    share = Share(tmp_path)
    client = Client(share)
    for fid in range(1, MOST_FIDS):
        client.ask(Type.WALK, struct.pack("<IIH", 0, fid, 0))
    for fid in range(MOST_FIDS, MOST_FIDS + 50):
        with pytest.raises(OSError, match="23"):
            client.ask(Type.WALK, struct.pack("<IIH", 0, fid, 0))
    share.server.reset()
    assert not share.server.session.tables.fids


def test_a_share_that_is_full_says_so_and_has_room_again(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 900_000)
    share = Share(tmp_path, size=1 << 20)
    client = Client(share)
    client.write("large", 5, b"y")
    with pytest.raises(OSError, match="28"):
        client.create("more", bytes([1]) * 300_000)
    assert client.read("more") == bytes([1]) * len(client.read("more"))
    client.unlink("large")
    client.unlink("more")
    client.create("more", bytes([2]) * 1_000_000)
    assert client.read("more") == bytes([2]) * 1_000_000
    assert_tidy(share)


def test_a_file_of_holes_costs_no_more_than_it_holds(tmp_path: Path) -> None:
    share = Share(tmp_path, size=4 << 20)
    client = Client(share)
    client.create("sparse")
    for number in range(0, 3000, 7):
        client.write("sparse", number * 4096 * 16, b"z") if number < 400 else None
    client.truncate("sparse", 1 << 39)
    assert client.stat("sparse")[1] == 1 << 39
    node = next(node for node in share.server.session.tables.nodes.values() if node.size == 1 << 39)
    assert len(node.extents) < 100
