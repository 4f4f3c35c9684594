"""Frames that make no sense, by the million where that is asked for: `make fuzz TARGET=quiet-network`."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from devices.network.inputs import FaultsInput, LinkInput
from devices.network.quiet.files import MOST_ASKED
from devices.network.quiet.packets import Ends, Flag, Segment, ip_frame, tcp_data
from devices.network.quiet.responder import GATEWAY_MAC, ResponderState
from devices.network.quiet.tcp import MOST_CONNECTIONS
from tests.devices.network.quiet.guest import GATEWAY, GUEST, MAC, NAMES, SECOND, SITE, Guest, echo
from tests.devices.network.quiet.test_small_protocols import arp, dhcp_message, query
from tests.devices.network.quiet.test_tftp import request

REQUESTS = (b"GET /a HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"HEAD /sub HTTP/1.1\r\n", b"\r\n\r\n", b"x" * 900)
LARGEST_STATE = 24 << 20
"""Bytes of it as JSON: 64 connections that want all that they may."""


class Sender:
    """Frames that are nearly right, of a few connections."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.expected: dict[int, int] = {}

    def note(self, frame: bytes) -> None:
        """Where a connection is, as frames of ours tell."""
        if len(frame) > 54 - 1 and frame[23:24] == b"\6":
            port, at = int.from_bytes(frame[36:38], "big"), int.from_bytes(frame[38:42], "big")
            self.expected[port] = at + len(frame) - 54 + 1

    def frame(self) -> bytes:
        chance = self.chance
        frame = chance.choice((self._segment, self._segment, self._segment, self._other))()
        kind = chance.random()
        if kind < 0.2:
            at = chance.randrange(len(frame))
            frame = frame[:at] + bytes([chance.randrange(256)]) + frame[at + 1 :]
        elif kind < 0.25:
            frame = frame[: chance.randrange(len(frame))]
        elif kind < 0.3:
            frame += chance.randbytes(chance.randrange(40))
        return frame

    def _segment(self) -> bytes:
        chance = self.chance
        source = chance.randrange(1000, 1000 + chance.choice((3, 200)))
        flags = Flag(chance.choice((0x02, 0x10, 0x18, 0x11, 0x04, chance.randrange(32))))
        sequence = chance.choice((1, 2, 20, 40, 1000, chance.getrandbits(32)))
        acknowledged = self.expected.get(source, 0) + chance.choice((0, 0, 0, -1, 1, 1 << 31)) & 0xFFFF_FFFF
        data = chance.choice((b"", *REQUESTS))
        options = chance.choice((b"", b"\2\4\5\xb4\3\3\7\0", chance.randbytes(8)))
        window = chance.choice((0, 100, 65_535))
        port = chance.choice((80, 80, 80, 7, 9, 81))
        segment = Segment(port, source, sequence, acknowledged, flags, window, data, options)
        ends = Ends(GATEWAY_MAC, MAC, chance.choice((GATEWAY, SITE)), GUEST)
        return ip_frame(ends, 6, tcp_data(ends, segment), 1)

    def _other(self) -> bytes:
        chance, guest = self.chance, _PLAIN
        return chance.choice((
            arp(GATEWAY), echo(SITE, chance.randbytes(20)), echo(bytes([1, 2, 3, 4])),
            guest.datagram(NAMES, 53, query(chance.choice(("site.test", "no.test")))),
            guest.datagram(GATEWAY, 67, dhcp_message(chance.randrange(9))),
            guest.datagram(GATEWAY, 69, request(chance.choice(("a", "b", "../a"))), source=2000 + chance.randrange(99)),
            guest.datagram(GATEWAY, chance.randrange(49_152, 49_200), b"\0\4\0" + bytes([chance.randrange(4)])),
            guest.datagram(GATEWAY, chance.randrange(1 << 16), chance.randbytes(chance.randrange(60))),
        ))  # fmt: skip


_PLAIN = Guest()


def besiege(folder: Path, seed: int, steps: int) -> int:
    """So many frames. Returns that."""
    sender = Sender(seed)
    guest = Guest(folder)
    guest.on_frame = sender.note
    for step in range(steps):
        guest.send(sender.frame())
        wait = sender.chance.choice((0, 1_000, 30_000, 100_000))
        if sender.chance.random() < 0.003:
            wait = 3 * SECOND
            guest.cable.take(LinkInput("net0-cable", sender.chance.random() < 0.9), guest.now)
            guest.cable.take(FaultsInput("net0-cable", sender.chance.choice((0, 90_000)), seed=seed), guest.now)
        guest.run(guest.now + wait)
        if step % 1000 == 999:
            check(guest)
    check(guest)
    return steps


def check(guest: Guest) -> None:
    """It is within its bounds, can be shown, and comes back as it was."""
    state = guest.quiet.save()
    assert len(state.connections) <= MOST_CONNECTIONS
    assert len(state.waiting) <= MOST_ASKED
    saved = msgspec.json.encode(state)
    assert len(saved) < LARGEST_STATE
    assert guest.quiet.describe(guest.now)
    guest.quiet.restore(msgspec.json.decode(saved, type=ResponderState))
    assert msgspec.json.encode(guest.quiet.save()) == saved


@pytest.mark.parametrize("seed", range(3))
def test_frames_that_make_no_sense(tmp_path, seed):
    (tmp_path / "a").write_bytes(bytes(200_000))
    (tmp_path / "sub").mkdir()
    assert besiege(tmp_path, seed, 1500) == 1500
