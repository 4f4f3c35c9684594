"""A script's guest at the host's network: frames out and in while it runs, none in its past, all of it recorded."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
from pathlib import Path

import pytest

import vmdbg
from devices.network.inputs import FrameInput, FramesInput
from tests.determinism.test_network import talking_guest
from tests.devices.network.quiet.guest import GATEWAY, NAMES, echo
from tests.devices.network.quiet.test_small_protocols import arp
from tests.linux_assets import PROMPT, cloud_kernel
from tests.vmdbg.machine.test_linux_network import network_initrd, sh
from vmdbg.errors import UserError
from vmdbg.machine.digest import Digest

PART = 1_000_000
"""Ticks."""
HELLO = b"hello from the host\n" * 2000


@pytest.fixture(scope="module")
def kernel() -> bytes:
    return talking_guest([arp(GATEWAY), arp(NAMES), *[echo(GATEWAY)] * 40])


def launch(kernel: bytes, net: str, **options: object) -> vmdbg.Guest:
    return vmdbg.launch(kernel, memory="4M", machine="i440fx", nets=[net], **options)


def frames_that_came(guest: vmdbg.Guest) -> list[bytes]:
    found = list[bytes]()
    for placed in guest.timeline.history.inputs:
        match placed.input:
            case FrameInput(frame=frame):
                found.append(frame)
            case FramesInput() as several:
                found += several.frames()
    return found


def taken(peer: socket.socket) -> list[bytes]:
    """What has come through a stream by now."""
    data, found = peer.recv(1 << 16), list[bytes]()
    while data:
        size = struct.unpack(">I", data[:4])[0]
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_frames_go_both_ways_and_come_again_without_the_other_end(kernel: bytes, tmp_path: Path) -> None:
    path, recording = tmp_path / "wire", tmp_path / "it.vmdbg"
    answer = arp(GATEWAY)[:6] + arp(NAMES)[6:]
    digests: dict[int, Digest] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with launch(kernel, f"socket:connect:unix:{path}", record=recording) as guest:
            peer, _ = listener.accept()
            for _ in range(4):
                guest.run(PART)
                assert taken(peer)
                peer.sendall((struct.pack(">I", len(answer)) + answer) * 3)
                digests[guest.tick] = guest.digest()
            assert frames_that_came(guest) == [answer] * 9
            peer.close()
            for tick, wanted in reversed(digests.items()):
                guest.seek(tick)
                assert guest.digest() == wanted
            guest.seek("end")
    with vmdbg.open_recording(recording) as guest:
        for tick, wanted in digests.items():
            guest.seek(tick)
            assert guest.digest() == wanted


def test_a_frame_goes_out_once_wherever_the_script_goes_meanwhile(kernel: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wire"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with launch(kernel, f"socket:connect:unix:{path}") as guest:
            peer, _ = listener.accept()
            while guest.timeline.machine.pc.cables["net0"].out == 0:
                guest.run(5_000)  # which ends before the frame has left
            end = guest.position
            guest.reverse_step()
            guest.seek(0)
            guest.seek("end")
            assert guest.position == end
            guest.run(PART)
            assert taken(peer)[:2] == [arp(GATEWAY), arp(NAMES)]


@pytest.mark.usefixtures("slirp")
def test_forwarded_ports_are_told_and_are_free_again_at_the_end(kernel: bytes) -> None:
    said: list[str] = []
    with launch(kernel, "user,hostfwd=tcp::0-:22", say=said.append) as guest:
        guest.run(PART)
        (line,) = said
        port = int(line.rpartition(":")[2])
        assert line == f"net0: forwarded to the guest: tcp 127.0.0.1:{port}"
        assert frames_that_came(guest), "libslirp answers"
        with pytest.raises(UserError, match=f"port {port} of"):
            launch(kernel, f"user,hostfwd=tcp::{port}-:22")
        guest.seek(0)
        guest.fork()
        assert said[1:] == ["net0: connections to the host were cut: it does not go back in time"]
    with launch(kernel, f"user,hostfwd=tcp::{port}-:22"):
        pass


@pytest.mark.parametrize(
    ("net", "options", "words"),
    [
        ("user,speed=9", {}, "has no option 'speed'"),
        ("tap:no/such", {}, "is no name of an interface"),
        ("socket:connect:unix:/nonexistent", {}, "cannot reach"),
        ("user", {"linked": True}, "a machine of a lab"),
    ],
)
def test_what_cannot_be_is_said(kernel: bytes, net: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        launch(kernel, net, **options)


@pytest.mark.slow
@pytest.mark.usefixtures("slirp")
@pytest.mark.timeout(900)
def test_linux_reaches_this_host_and_its_past_does_not(tmp_path: Path) -> None:
    recording = tmp_path / "it.vmdbg"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with vmdbg.launch(cloud_kernel(), initrd=network_initrd(), nets=["user"], record=recording) as guest:
            guest.expect(PROMPT)
            guest.send(f"busybox nc 10.0.2.2 {port} | md5sum; echo DONE-$?\n")
            guest.run(300_000_000)
            client, _ = server.accept()
            with client:
                client.sendall(HELLO)
            assert hashlib.md5(HELLO).hexdigest() in guest.expect("DONE-0\r\n")
            assert "2 packets received" in sh(guest, "ping -c2 -i 0.1 10.0.2.2")
            end, wanted = guest.position, guest.digest()
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == wanted
