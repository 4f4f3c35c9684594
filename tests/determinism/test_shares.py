"""The theorem with a shared folder: what the host answered comes again, whoever looks, whatever the host is now."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.ninep.share import Share
from devices.ninep.wire import NO_FID, Type, text
from tests.determinism.debugging import Action, Watch, actions, debugged_to
from tests.determinism.folders import is_kept_and_goes_on, keeps_its_past_without
from tests.determinism.machines import digests_at, run_in_slices, running, step_often
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access
from vmdbg.errors import RecordingError
from vmdbg.host.shares import ShareChoice, give_folders, open_shares
from vmdbg.machine.chipset import Chipset
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.snapshot import Position
from vmdbg.recording.reader import open_recording
from vmdbg.recording.save import save_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 4 << 20
BUFFER, ROUTINE = 0x120000, 0x130800
END = 12_000_000
MARKS = [END * part // 4 for part in range(1, 5)]


def message(kind: Type, body: bytes) -> bytes:
    return struct.pack("<IBH", 7 + len(body), kind, 1) + body


def walk(*names: bytes) -> bytes:
    body = struct.pack("<IIH", 0, 1, len(names)) + b"".join(map(text, names))
    return message(Type.WALK, body)


def with_fid(kind: Type, rest: bytes = b"") -> bytes:
    return message(kind, struct.pack("<I", 1) + rest)


CLUNK = with_fid(Type.CLUNK)
FIRST = [
    message(Type.VERSION, struct.pack("<I", 32768) + text(b"9P2000.L")),
    message(Type.ATTACH, struct.pack("<II", 0, NO_FID) + text(b"") + text(b"") + struct.pack("<I", 0)),
]
AGAIN = [
    walk(b"d", b"read"), with_fid(Type.LOPEN, struct.pack("<I", 2)), with_fid(Type.READ, struct.pack("<QI", 99, 9000)),
    with_fid(Type.WRITE, struct.pack("<QI", 5000, 6) + b"middle"), with_fid(Type.READ, struct.pack("<QI", 0, 9000)),
    with_fid(Type.GETATTR, bytes(8)), CLUNK,
    walk(), with_fid(Type.LCREATE, text(b"new") + struct.pack("<III", 2, 0o644, 0)),
    with_fid(Type.WRITE, struct.pack("<QI", 0, 3000) + bytes(range(250)) * 12), CLUNK,
    walk(), with_fid(Type.LOPEN, struct.pack("<I", 0)), with_fid(Type.READDIR, struct.pack("<QI", 0, 60)),
    with_fid(Type.READDIR, struct.pack("<QI", 2, 4000)), CLUNK,
    message(Type.RENAMEAT, struct.pack("<I", 0) + text(b"new") + struct.pack("<I", 0) + text(b"old")),
    message(Type.UNLINKAT, struct.pack("<I", 0) + text(b"old") + struct.pack("<I", 0)),
    walk(b"absent"),
]  # fmt: skip


def data(messages: list[bytes]) -> str:
    return "".join(f"    db {', '.join(map(str, one))}\n" for one in messages)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("share") / "folder"
    (path / "d").mkdir(parents=True)
    (path / "d" / "read").write_bytes(random.Random(1).randbytes(30_000))
    for number in range(20):
        (path / f"file {number}").write_bytes(b"x" * number)
    return path


def share_origin(folder: Path, *, direct: bool = False) -> BootOrigin:
    media = Media()
    shares = open_shares([ShareChoice(str(folder), "src", direct=direct, size=4 << 20)], media)
    config = MachineConfig(memory=MEMORY, chipset=Chipset.I440FX, shares=shares)
    source = (Path(__file__).parent / "share.asm").read_text()
    table = data(FIRST) + "again:\n" + data(AGAIN) + "    dd 0"
    image = assemble(source.replace("; put there by the test", table))
    options = BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))
    return BootOrigin(config, boot_image(options), options, media=media)


@pytest.fixture(scope="module")
def machine(folder: Path) -> Callable[[], Machine]:
    return lambda: share_origin(folder).machine()


@pytest.fixture(scope="module")
def expected(machine: Callable[[], Machine]) -> list[Digest]:
    return digests_at(machine, MARKS)


def test_the_guest_is_busy_to_the_end(machine: Callable[[], Machine], expected: list[Digest]) -> None:
    assert len(set(map(str, expected))) == len(MARKS)
    with running(machine) as made:
        made.run(Tick(MARKS[3]))
        answers = [answer for _, _, answer, _ in made.media.folders["share0"].all()]
        assert len(answers) > 50
        assert {answer.error for answer in answers} == {0, 2}
        assert made.pc.devices["share0"].describe(0)[3] == ("changed", "2 files, 32768 bytes")


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


def test_a_history_does_not_change_with_the_folder(folder: Path, tmp_path: Path, expected: list[Digest]) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    keeps_its_past_without(own, share_origin(own), MARKS, expected)


def test_a_recording_needs_no_folder_and_goes_on_with_it(folder: Path, tmp_path: Path, expected: list[Digest]) -> None:
    def give(machine: Machine) -> None:
        give_folders([ShareChoice(str(folder), "src")], machine.config.shares, machine.media.folders)

    refusal = "to `run --from` with --share FOLDER,tag=src"
    is_kept_and_goes_on(share_origin(folder), tmp_path, MARKS, expected, refusal=refusal, give=give)


def test_what_goes_into_the_folder_is_not_asked_of_it_again(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    origin = share_origin(own, direct=True)
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.run(Tick(MARKS[1]))
    end = digest(timeline.machine)
    assert b"middle" in (own / "d" / "read").read_bytes()
    (own / "d" / "read").write_bytes(b"by hand")
    timeline.seek(Position(Tick(MARKS[0])))
    timeline.seek(Position(Tick(MARKS[1])))
    assert digest(timeline.machine) == end
    assert (own / "d" / "read").read_bytes() == b"by hand"
    timeline.machine.close()


def test_shares_of_others_are_checked(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from vmdbg.recording.bounds import check_bounds

    origin = share_origin(folder)
    timeline = Timeline(origin.machine(), origin=origin)
    save_recording(timeline, tmp_path / "it")
    timeline.machine.close()
    with open_recording(tmp_path / "it") as recording:
        meta = recording.meta
    (share,) = meta.config.shares
    bad: list[Share] = [replace(share, name="pic"), replace(share, tag=""), replace(share, size=1 << 60)]
    for one in bad:
        config = replace(meta.config, shares=(one,))
        changed = type(meta)(**{name: getattr(meta, name) for name in meta.__struct_fields__} | {"config": config})
        with pytest.raises(RecordingError, match="share"):
            check_bounds(changed, "it")
