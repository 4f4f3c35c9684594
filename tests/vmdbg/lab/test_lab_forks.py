"""Another future of a lab: what is not changed comes to what it was, whoever runs the machines; the old one stays."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

import vmdbg
from tests.vmdbg.lab.couriers import END, LATENCY, LETTERS, courier_image, two_couriers
from vmdbg.api.lab import Lab
from vmdbg.api.lab_recording import LabRecording
from vmdbg.lab.fabric import Hop
from vmdbg.machine.digest import Digest

HAPPENINGS = (
    (300_000, "lose null 30 5"),
    (500_003, "cut null"),
    (530_000, "mend null"),
    (540_000, "type ben z"),
    (540_000, "type ben y"),
    (900_000, "crash anna"),
    (900_000, "boot anna"),
    (1_500_000, "crash ben"),
    (1_600_000, "boot ben"),
)
Seen = tuple[dict[str, Digest], list[Hop]]


def seen(lab: Lab) -> Seen:
    return lab.digests(), sorted(lab.hops, key=lambda hop: (hop.sent, hop.link, hop.source, hop.number))


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seen]:
    folder = tmp_path_factory.mktemp("trunk") / "run"
    with Lab(two_couriers(*HAPPENINGS), record=folder) as lab:
        lab.run_until(END)
        return folder, seen(lab)


def _instants(chance: random.Random, hops: list[Hop]) -> list[int]:
    """Anywhere, and where something happens, or a moment before or after."""
    marks = [0, END, *(at for at, _ in HAPPENINGS), *(hop.sent for hop in hops), *(hop.due for hop in hops)]
    near = [max(0, min(END, chance.choice(marks) + chance.randrange(-4, 5))) for _ in range(8)]
    return [*near, *(chance.randrange(END) for _ in range(4))]


@pytest.mark.parametrize("seed", range(3))
def test_a_fork_without_a_change_comes_to_what_the_recording_did(seed: int, trunk: tuple[Path, Seen]) -> None:
    folder, original = trunk
    with LabRecording(folder) as recording:
        for at in _instants(random.Random(seed), original[1]):
            with recording.fork(min(at, recording.end)) as lab:
                lab.run_until(END)
                assert seen(lab) == original, at


@pytest.mark.parametrize("seed", range(2))
def test_a_live_lab_forks_again_and_again_and_comes_to_the_same(
    seed: int, trunk: tuple[Path, Seen], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    with Lab(two_couriers(*HAPPENINGS), record=tmp_path / "0") as lab:
        lab.run_until(END)
        for number, at in enumerate(_instants(chance, trunk[1][1]), 1):
            lab.run_until(at + chance.randrange(200_000))
            lab.fork(min(at, lab.now), record=tmp_path / str(number))
            lab.run(chance.randrange(300_000))
        lab.run_until(END)
        assert seen(lab) == trunk[1]
    with LabRecording(tmp_path / str(number)) as last:
        last.verify()
        last.seek(last.end)
        assert last.digests() == trunk[1][0]


@pytest.mark.parametrize("processes", [False, True])
def test_what_is_changed_changes_what_comes_and_the_trunk_stays(
    processes: bool, trunk: tuple[Path, Seen], tmp_path: Path
) -> None:
    folder, original = trunk
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with LabRecording(folder) as recording:
        recording.seek(recording.end)
        ends = recording.digests()
        with recording.fork(250_000, record=tmp_path / "other", processes=processes) as lab:
            lab.do("cut null")
            lab.run_until(END)
            other = seen(lab)
        assert other != original
        assert [hop for hop in other[1] if hop.sent < 250_000] == [
            hop if hop.due <= 250_000 else hop_cut(hop) for hop in original[1] if hop.sent < 250_000
        ]
        recording.seek(0)
        recording.seek(recording.end)
        assert recording.digests() == ends == original[0]
    assert before == {file.name: file.read_bytes() for file in folder.iterdir()}
    with LabRecording(tmp_path / "other") as recording:
        assert all(agreed == known for agreed, known in recording.verify().values())
        recording.seek(recording.end)
        assert recording.digests() == other[0]
        with recording.fork(200_000) as again:
            again.run_until(END)
            assert seen(again) == original


def hop_cut(hop: Hop) -> Hop:
    return replace(hop, lost="cut")


def test_memory_registers_and_what_is_typed_are_changed_of_one_machine_on_a_fork_of_all() -> None:
    with Lab(two_couriers()) as lab:
        lab.run_until(END)
        anna = lab.machines["anna"]
        lab.seek(5 * LATENCY)
        assert lab.looked_at == 5 * LATENCY
        with pytest.raises(vmdbg.UserError, match="this is the past"):
            anna.registers["rax"] = 1
        with pytest.raises(vmdbg.UserError, match="this is the past"):
            lab.do("cut null")
        with pytest.raises(vmdbg.UserError, match="its history is not forked alone: `fork` at the lab's prompt"):
            anna.fork()
        lab.fork()
        assert lab.looked_at is None
        assert 0 <= lab.now - 5 * LATENCY < 16
        sent = len(lab.hops)
        anna.memory.write(0x7000, b"changed")
        lab.send("ben", "z")
        lab.run_until(END)
        assert anna.memory.read(0x7000, 7) == b"changed"
        assert len(lab.hops) > sent
        assert lab.console("ben").startswith(LETTERS[:4:2])


@pytest.mark.parametrize(
    ("instant", "words"),
    [(-1, "-1 is not between 0 and where the lab is"), (END * 9, "is not between 0"), (600_000, "was not recorded")],
)
def test_what_cannot_be_forked_is_refused_and_nothing_is_dropped(instant: int, words: str) -> None:
    with Lab(two_couriers((700_000, "crash anna"), (800_000, "boot anna"))) as lab:
        lab.run_until(2_000_000)
        stood = seen(lab)
        with pytest.raises(vmdbg.UserError, match=words):
            lab.fork(instant)
        assert seen(lab) == stood


@pytest.mark.parametrize("live", [False, True])
def test_a_fork_that_nobody_records_knows_no_files_of_what_it_was_forked_from(live: bool, tmp_path: Path) -> None:
    """They go on with what was dropped, and a folder that is given later has others of their names."""
    folder, crash = tmp_path / "trunk", (300_000, "crash anna")
    with Lab(two_couriers(crash, (400_000, "boot anna")), record=folder) as lab:
        lab.run_until(800_000)
        if live:
            lab.fork(600_000)
            _refuses_to_go_before(lab, 200_000)
            lab.fork(600_000, record=tmp_path / "other")
            _refuses_to_go_before(lab, 200_000)
    if not live:
        with LabRecording(folder) as recording, recording.fork(600_000) as lab:
            _refuses_to_go_before(lab, 200_000)


def _refuses_to_go_before(lab: Lab, instant: int) -> None:
    before = seen(lab)
    with pytest.raises(vmdbg.UserError, match="anna has lost its power since"):
        lab.fork(instant)
    assert seen(lab) == before


def test_a_folder_that_exists_already_is_refused_before_anything_is_dropped(tmp_path: Path) -> None:
    with Lab(two_couriers(), record=tmp_path / "run") as lab:
        lab.run_until(1_000_000)
        with pytest.raises(vmdbg.UserError, match="exists already"):
            lab.fork(500_000, record=tmp_path / "run")
        lab.run_until(END)
    with LabRecording(tmp_path / "run") as recording:
        assert recording.end > 3_000_000


def test_a_machine_of_somebody_elses_recording_is_not_switched_on_with_what_could_do_harm(tmp_path: Path) -> None:
    with Lab(two_couriers(), record=tmp_path / "run") as lab:
        lab.run_until(400_000)
    plan = tmp_path / "run" / "lab.json"
    plan.write_text(plan.read_text().replace('"memory":"2M"', '"memory":"2M","devices":["/somewhere/evil.py"]', 1))
    with LabRecording(tmp_path / "run") as recording, recording.fork(200_000) as lab:
        with pytest.raises(vmdbg.UserError, match="anna cannot be switched on: it has devices, which are not taken"):
            lab.do("boot anna")
        assert lab.names == ["anna", "ben"]
        lab.do("boot ben")


def test_a_machine_that_cannot_be_switched_on_again_has_lost_its_power_and_the_recording_says_so(
    tmp_path: Path,
) -> None:
    image = tmp_path / "boot.bin"
    image.write_bytes(courier_image(starts=True).read_bytes())
    plan = two_couriers()
    anna = replace(plan.machines[0], options={"kernel": str(image), "memory": "2M"})
    with Lab(replace(plan, machines=(anna, plan.machines[1])), record=tmp_path / "run") as lab:
        lab.run_until(400_000)
        image.unlink()
        with pytest.raises(vmdbg.UserError, match=r"machine anna: .*boot\.bin"):
            lab.do("boot anna")
        assert lab.names == ["ben"]
        lab.run_until(800_000)
    with LabRecording(tmp_path / "run") as recording, recording.fork(700_000) as lab:
        assert lab.names == ["ben"]
