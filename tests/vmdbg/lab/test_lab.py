"""Machines on one clock: what they do depends on nothing but the plan, wherever they are run and however they are
looked at.
"""

import random
from itertools import pairwise
from pathlib import Path

import pytest

import vmdbg
from tests.vmdbg.lab.couriers import END, LATENCY, LETTERS, courier, two_couriers
from vmdbg.api.lab import Lab
from vmdbg.lab.fabric import Hop
from vmdbg.lab.folder import LabIndex
from vmdbg.lab.plan import End, Happening, Instant, LinkSpec, Plan
from vmdbg.lab.station import Coming, Report
from vmdbg.lab.workers import Worker
from vmdbg.machine.digest import Digest
from vmdbg.machine.inputs import PortWrite

Seen = tuple[dict[str, Digest], list[Hop]]


def _seen(lab: Lab) -> Seen:
    return lab.digests(), sorted(lab.hops, key=lambda hop: (hop.sent, hop.link, hop.source, hop.number))


@pytest.fixture(scope="module")
def alone() -> Seen:
    with Lab(two_couriers()) as lab:
        lab.run_until(END)
        return _seen(lab)


def test_letters_go_to_and_fro_each_after_the_latency(alone: Seen) -> None:
    _, hops = alone
    assert [hop.data.decode() for hop in hops] == list(LETTERS)
    assert [hop.source for hop in hops] == ["anna.com2", "ben.com2"] * 13
    assert all(hop.due == hop.sent + LATENCY and not hop.lost for hop in hops)
    assert all(later.sent > hop.due for hop, later in pairwise(hops))


def test_in_processes_of_their_own_they_do_the_same(alone: Seen) -> None:
    with Lab(two_couriers(), processes=True) as lab:
        lab.run_until(END)
        assert _seen(lab) == alone
        assert lab.console("ben") == LETTERS[::2]


@pytest.mark.parametrize("seed", range(3))
def test_however_they_are_run_and_debugged_they_do_the_same(seed: int, alone: Seen) -> None:
    chance = random.Random(seed)
    with Lab(two_couriers()) as lab:
        for _ in range(40):
            guest = lab.machines[chance.choice(["anna", "ben"])]
            match chance.randrange(5):
                case 0:
                    guest.run(min(chance.choice([1, 5_000, 400_000]), max(0, END - guest.tick)))
                case 1:
                    guest.step(chance.randrange(1, 50))
                case 2:
                    guest.seek(chance.randrange(guest.tick + 1))
                    guest.reverse_step()
                    guest.seek("end")
                case 3:
                    point = guest.break_at(0x7C00 + chance.randrange(0x90))
                    guest.run(min(300_000, max(0, END - guest.tick)))
                    guest.delete(point)
                case _:
                    lab.run_until(min(END, lab.now + chance.choice([1, 999, 250_000])))
        lab.run_until(END)
        assert lab.over
        assert _seen(lab) == alone


HAPPENINGS = (
    (300_000, "lose null 30 5"),
    (500_003, "cut null"),
    (530_000, "mend null"),
    (540_000, "type ben z"),
    (900_000, "crash anna"),
    (900_000, "boot anna"),
    (1_500_000, "boot ben"),
)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_to_happen_does_at_its_instant_also_where_somebody_runs_a_machine_by_hand(seed: int) -> None:
    chance = random.Random(seed)
    with Lab(two_couriers(*HAPPENINGS)) as lab:
        lab.run_until(END)
        alone = _seen(lab)
    with Lab(two_couriers(*HAPPENINGS)) as lab:
        while lab.now < 2_000_000:
            machine = lab.machines[chance.choice(lab.names)]
            if chance.random() < 0.5:
                machine.step(chance.randrange(1, 30))
            else:
                machine.run(chance.choice([1, 30_000, 400_000]))
            if chance.random() < 0.3 or machine.timeline.machine.ending is not None:
                lab.run(1)
        lab.run_until(END)
        assert _seen(lab) == alone
    if seed == 0:
        with Lab(two_couriers(*HAPPENINGS), processes=True) as lab:
            lab.run_until(END)
            assert _seen(lab) == alone


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (("cut null", "mend null"), "cut"),
        (("crash anna", "boot anna"), ""),
        (("crash anna",), "switched off"),
    ],
)
def test_what_is_done_while_something_is_on_its_way_may_lose_it(
    done: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    with Lab(two_couriers(), record=tmp_path / "run") as lab:
        while not (sent := [hop for hop in lab.hops if hop.target == "anna.com2"]):
            lab.run(10_000)
        assert lab.now < sent[0].due
        for line in done:
            lab.do(line)
            lab.run(1)
        lab.run(2 * LATENCY)
        assert [hop.lost for hop in lab.hops if hop.target == "anna.com2"][:1] == [why]
    passages = LabIndex(tmp_path / "run").passages
    assert [row.lost for row in passages if row.target == "anna.com2"][:1] == [why]


def test_the_clock_goes_on_where_all_machines_are_off_and_one_is_to_be_switched_on() -> None:
    with Lab(two_couriers((300_000, "crash anna"), (300_000, "crash ben"), (50_000_000, "boot anna"))) as lab:
        lab.run_until(10_000_000)
        assert (lab.names, lab.now, lab.over) == ([], 10_000_000, False)
        lab.run_until(60_000_000)
        assert lab.digest("anna").ticks == 10_000_000


def test_a_machine_run_by_hand_has_the_others_go_along(alone: Seen) -> None:
    with Lab(two_couriers()) as lab:
        anna = lab.machines["anna"]
        anna.expect("x", port=-1)
        assert len(lab.hops) >= 23
        assert lab.hops == alone[1][: len(lab.hops)]


def test_a_recording_has_each_machine_as_any_other_and_what_was_between_them(alone: Seen, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    with Lab(two_couriers(), record=folder, processes=True) as lab:
        lab.run_until(END)
    index = LabIndex(folder)
    assert [row.head for row in index.passages] == [hop.data.hex() for hop in alone[1]]
    assert [(life.machine, life.born) for life in index.lives] == [("anna", 0), ("ben", 0)]
    for life in index.lives:
        with vmdbg.open_recording(folder / life.file) as guest:
            guest.seek("end")
            assert guest.digest() == alone[0][life.machine]
    with pytest.raises(vmdbg.UserError, match="exists already"):
        Lab(two_couriers(), record=folder)


def test_a_cut_link_loses_what_is_put_on_it_and_a_mended_one_does_not() -> None:
    with Lab(two_couriers((500_000, "cut null"))) as lab:
        lab.run_until(END)
        assert [bool(hop.lost) for hop in lab.hops] == [False] * (len(lab.hops) - 1) + [True]
        assert lab.hops[-1].lost == "cut"
        assert 2 < len(lab.hops) < 7
        lab.do("mend null")
        lab.machines["anna"].timeline.push(PortWrite(0x2F8, 1, ord("x")))
        lab.run(5 * LATENCY)
        assert [hop.data for hop in lab.hops[-3:]] == [b"x", b"y", b"z"]


def test_a_machine_that_crashed_boots_again_on_the_labs_clock(tmp_path: Path) -> None:
    folder = tmp_path / "crash"
    with Lab(two_couriers((600_000, "crash anna"), (900_000, "boot anna")), record=folder) as lab:
        lab.run_until(800_000)
        assert lab.names == ["ben"]
        with pytest.raises(vmdbg.UserError, match="anna is switched off"):
            lab.digest("anna")
        lab.run_until(END + 1_500_000)
        assert lab.console("ben").endswith(LETTERS[::2])
        assert lab.digest("anna").ticks < lab.now - 900_000 + 1
    lives = LabIndex(folder).lives
    assert [(life.machine, life.file, life.born >= 900_000) for life in lives] == [
        ("anna", "anna.vmdbg", False),
        ("ben", "ben.vmdbg", False),
        ("anna", "anna-2.vmdbg", True),
    ]
    with vmdbg.open_recording(folder / "anna.vmdbg") as crashed:
        crashed.seek("end")
        assert "PoweredOff" in str(crashed.timeline.machine.ending)


@pytest.mark.parametrize("name", ["anna", "a" * 32])
def test_the_recordings_of_a_machine_that_boots_again_take_no_others_place(name: str, tmp_path: Path) -> None:
    """Another machine may be called as they would be, and a name be as long as one can be."""
    machines = (courier(name), courier(f"{name[:30]}-2"), courier(f"{name[:28]}-2-2"))
    happens = [f"{what} {one.name}" for _ in range(2) for one in machines for what in ("crash", "boot")]
    happened = tuple(Happening(Instant(100_000 * at), line) for at, line in enumerate(happens, 1))
    with Lab(Plan(machines, (), (), happened), record=tmp_path / "boots") as lab:
        lab.run_until(100_000 * len(happens) + 50_000)
        ends = lab.digests()
    index = LabIndex(tmp_path / "boots")
    assert not index.damaged
    assert len({life.file for life in index.lives}) == len(index.lives) == 9
    for life in index.lives[-3:]:
        with vmdbg.open_recording(tmp_path / "boots" / life.file) as guest:
            guest.seek("end")
            assert guest.digest() == ends[life.machine]


def test_who_was_switched_on_is_in_the_index_before_anything_runs(tmp_path: Path) -> None:
    with Lab(two_couriers(), record=tmp_path / "killed"):
        assert [life.machine for life in LabIndex(tmp_path / "killed").lives] == ["anna", "ben"]


class Kept:
    """What a worker has, which is asked for nothing."""

    def run(self, until: Instant, coming: list[Coming]) -> Report:
        raise NotImplementedError

    def close(self) -> str:
        return ""


def test_a_machines_process_ends_without_a_word_when_nobody_asks_it_any_more(
    capfd: pytest.CaptureFixture[str],
) -> None:
    worker = Worker("anna", Kept)
    worker.ready()
    worker.connection.close()
    with pytest.raises(vmdbg.EngineError, match=r"the process of anna has ended \(exit code 1\)"):
        worker.start(Instant(0), [])
    assert capfd.readouterr().err == ""


def test_one_that_is_switched_on_later_lives_on_the_same_clock() -> None:
    plan = Plan(
        (courier("anna", starts=True, at=3_000_000), courier("ben")),
        (),
        (LinkSpec("null", (End("anna", "com2"), End("ben", "com2")), LATENCY),),
    )
    with Lab(plan) as lab:
        lab.run_until(3_000_000 + END)
        assert lab.console("ben") == LETTERS[::2]
        assert lab.hops[0].sent > 3_000_000
        assert lab.now == Instant(lab.now)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cut ropes", "there is no link 'ropes'; there are: null"),
        ("crash cat", "there is no machine 'cat'; there are: anna, ben"),
        ("explode", "nothing is called 'explode'"),
        ("lose null 120", "'120' is no share of all frames"),
        ("lose null", "it is lose LINK PERCENT"),
        ("unplug anna.net0", "there is no cable at 'anna.net0'"),
        ('type anna "', "No closing quotation"),
    ],
)
def test_what_cannot_be_done_is_said(line: str, words: str) -> None:
    with Lab(two_couriers()) as lab, pytest.raises(vmdbg.UserError, match=words):
        lab.do(line)


def test_nothing_comes_from_outside_where_others_have_passed_what_it_could_change() -> None:
    with Lab(two_couriers((200_000, "cut null"))) as lab:
        lab.run_until(1_000_000)
        anna, ben = lab.machines["anna"], lab.machines["ben"]
        ben.run(10_000_000)  # anna sleeps until something comes: nobody waits for her
        with pytest.raises(vmdbg.UserError, match="the other machines are ahead of anna"):
            anna.timeline.push(PortWrite(0x2F8, 1, ord("y")))
        lab.run(0)
        assert anna.tick == ben.tick
        anna.timeline.push(PortWrite(0x2F8, 1, ord("y")))
        assert lab.hops[-1].lost == "cut"
