"""The theorem with a network: what comes from outside comes again, and who is inside is a part of the machine."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.network.inputs import FaultsInput, FrameInput, LinkInput, together
from devices.network.net import FarEnd, Net, NicModel
from devices.network.quiet.options import Quiet
from tests.determinism.debugging import Action, Watch, actions, debugged_to
from tests.determinism.folders import is_kept_and_goes_on, keeps_its_past_without
from tests.determinism.machines import digests_at, run_in_slices, running, step_often
from tests.devices.network.quiet.guest import GATEWAY, NAMES, SECOND, Client, Guest, echo
from tests.devices.network.quiet.test_small_protocols import arp, dhcp_message, query
from tests.devices.network.quiet.test_tftp import request
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access
from vmdbg.host.nets import give_net_folders, open_nets, parse_net
from vmdbg.machine.chipset import Chipset
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.snapshot import Position
from vmdbg.recording.replay import replay_file
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 4 << 20
BUFFER, ROUTINE = 0x120000, 0x130800
END = 12_000_000
MARKS = [END * part // 4 for part in range(1, 5)]
MAC = "52:54:00:12:34:56"
CABLE = "net0-cable"
FILE = random.Random(1).randbytes(30_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "folder"
    path.mkdir()
    (path / "file").write_bytes(FILE)
    return path


def conversation(folder: Path) -> list[bytes]:
    """The guest's frames of one with everybody who is there."""
    guest, sent = Guest(folder), list[bytes]()
    transmit = guest.cable.transmit

    def noted(frame: bytes, now: int) -> None:
        sent.append(frame)
        transmit(frame, now)

    guest.cable.transmit = noted  # type: ignore[method-assign]
    small = [arp(GATEWAY), echo(NAMES), guest.datagram(GATEWAY, 67, dhcp_message(1))]
    small += [guest.datagram(NAMES, 53, query("gateway")), guest.datagram(GATEWAY, 69, request("file"))]
    for frame in small:
        guest.ask(frame)
    for block in range(4):
        guest.ask(guest.datagram(GATEWAY, 49_152, b"\0\4\0" + bytes([block])))
    for source in range(40_000, 40_010):
        answer = Client(guest, source=source).talk(b"GET /file HTTP/1.1\r\nConnection: close\r\n\r\n", seconds=3)
        assert answer.endswith(FILE)
    assert guest.now < 60 * SECOND
    return sent


def origin_of(nets: tuple[Net, ...], frames: list[bytes], media: Media) -> BootOrigin:
    config = MachineConfig(memory=MEMORY, chipset=Chipset.I440FX, nets=nets)
    options = BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(talking_guest(frames))))
    return BootOrigin(config, boot_image(options), options, media=media)


def talking_guest(frames: list[bytes]) -> bytes:
    """A kernel that sends them, one after the other, and takes what comes."""
    source = (Path(__file__).parent / "network.asm").read_text()
    table = "".join(
        f"    db {', '.join(map(str, struct.pack('<I', 12 + len(frame)) + bytes(12) + frame))}\n" for frame in frames
    )
    return assemble(source.replace("; put there by the test", table + "    dd 0"))


def quiet_origin(folder: Path, frames: list[bytes]) -> BootOrigin:
    media = Media()
    return origin_of(open_nets([parse_net(f"quiet,folder={folder}")], media), frames, media)


def outside_origin(frames: list[bytes]) -> BootOrigin:
    return origin_of((Net("net0", NicModel.VIRTIO, MAC, FarEnd.OUTSIDE),), frames, Media())


@pytest.fixture(scope="module")
def frames(folder: Path) -> list[bytes]:
    return conversation(folder)


@pytest.fixture(scope="module")
def machine(folder: Path, frames: list[bytes]) -> Callable[[], Machine]:
    return lambda: quiet_origin(folder, frames).machine()


@pytest.fixture(scope="module")
def expected(machine: Callable[[], Machine]) -> list[Digest]:
    return digests_at(machine, MARKS)


def test_the_guest_is_busy_to_the_end(machine: Callable[[], Machine], expected: list[Digest]) -> None:
    assert len(set(map(str, expected))) == len(MARKS)
    with running(machine) as made:
        made.run(Tick(MARKS[3]))
        rows = dict(made.pc.devices[CABLE].describe(0))
        for way in ("from the guest", "to the guest"):
            assert int(rows[way].split()[0]) > 60, rows
        peer = made.pc.devices["net0-peer"].save()
        assert peer.opened > 3
        assert peer.asked > 10, rows


def test_slices_and_steps_do_not_show(machine: Callable[[], Machine], expected: list[Digest]) -> None:
    rng = random.Random(5)
    with running(machine) as made:
        assert [run_in_slices(made, t, lambda: rng.choice((90, 7000, 90000))) for t in MARKS[:2]] == expected[:2]
    with running(machine) as made:
        assert [step_often(made, tick, 40_000, 20, rng) for tick in MARKS[:2]] == expected[:2]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=actions(st.integers(0x100020, 0x100200) | st.integers(ROUTINE, ROUTINE + 4), 0, END // 10),
    watched=st.integers(BUFFER, ROUTINE),
)
def test_no_debugger_script_shows(
    script: list[Action], watched: int, machine: Callable[[], Machine], expected: list[Digest]
) -> None:
    watch = Watch(watched, 4096, near_stack=False, physical=True, accesses=frozenset(Access))
    with running(machine) as made:
        debugged_to(made, MARKS[1], [watch, *script])
        assert digest(made) == expected[1]


def test_a_history_does_not_change_with_the_folder(
    folder: Path, frames: list[bytes], tmp_path: Path, expected: list[Digest]
) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    keeps_its_past_without(own, quiet_origin(own, frames), MARKS, expected)


def test_a_recording_needs_no_folder_and_goes_on_with_it(
    folder: Path, frames: list[bytes], tmp_path: Path, expected: list[Digest]
) -> None:
    def give(machine: Machine) -> None:
        choice = parse_net(f"quiet,folder={folder}")
        give_net_folders([choice], machine.config.nets, machine.media.folders)

    refusal = "to `run --from` with --net quiet,folder=FOLDER as net0"
    is_kept_and_goes_on(quiet_origin(folder, frames), tmp_path, MARKS, expected, refusal=refusal, give=give)


def test_what_comes_from_outside_comes_again_and_goes_out_under_the_same_numbers(
    frames: list[bytes], tmp_path: Path
) -> None:
    rng, told = random.Random(7), list[tuple[int, bytes, int]]()
    origin = outside_origin(frames)
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.machine.outsides["net0"].sink = lambda number, frame, tick: told.append((number, frame, tick))
    writer = start_recording(tmp_path / "it.vmdbg", timeline)
    while timeline.machine.clock < MARKS[1]:
        timeline.run(Tick(timeline.machine.clock + rng.randrange(1, 60_000)))
        timeline.push(rng.choice((
            FrameInput(CABLE, rng.randbytes(rng.randrange(14, 1514))), FrameInput(CABLE, rng.choice(frames)),
            LinkInput(CABLE, rng.random() < 0.9), together(CABLE, rng.choices(frames, k=rng.randrange(1, 30))),
            FaultsInput(CABLE, rng.choice((0, 200_000)), 50_000, 50_000, rng.randrange(40_000), 3),
        )))  # fmt: skip
    end, wanted = timeline.position, digest(timeline.machine)
    writer.close()
    live = list(told)
    assert [number for number, _, _ in live] == list(range(len(live)))
    assert len(live) > 50
    timeline.seek(Position(Tick(MARKS[0])))
    timeline.seek(end)
    assert digest(timeline.machine) == wanted
    assert set(told) == set(live), "what goes out again goes out under its number"
    timeline.machine.close()
    for _ in range(3):
        timeline = replay_file(tmp_path / "it.vmdbg")
        timeline.seek(Position(Tick(end.tick * 2 // 3)))
        timeline.seek(end)
        assert digest(timeline.machine) == wanted
        timeline.machine.close()


def test_a_machine_with_a_network_has_addresses_of_its_own() -> None:
    net = open_nets([parse_net("quiet"), parse_net("quiet")], Media())
    assert [one.quiet for one in net] == [Quiet("10.0.2"), Quiet("10.0.3")]
