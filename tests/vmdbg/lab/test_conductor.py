"""Who may run how far, held to a naive model: machines that are all run in steps of the least latency."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from devices.network.inputs import FrameInput, LinkInput
from vmdbg.lab.conductor import Conductor
from vmdbg.lab.fabric import Hop, Loss
from vmdbg.lab.plan import NEVER, End, Instant, LinkSpec, MachineSpec, Plan, SwitchKind, SwitchSpec
from vmdbg.lab.station import Coming, Report, Sent

GOAL = 3_000_000


@dataclass
class Toy:
    """A machine that answers frames after a while, and sends some of itself; it keeps what it saw."""

    name: str
    mac: bytes
    macs: list[bytes]
    seed: int
    busy: bool = False
    clock: int = 0
    coming: list[Coming] = field(default_factory=list)
    agenda: list[tuple[int, bytes]] = field(default_factory=list)
    seen: list[tuple[int, bytes]] = field(default_factory=list)
    waiting: Report | None = None

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        for _ in range(4):
            self.agenda.append((chance.randrange(GOAL), self.mac_frame(chance.choice(self.macs), chance.randrange(3))))
        self.agenda.sort()

    def mac_frame(self, target: bytes, hops: int) -> bytes:
        return target + self.mac + bytes([8, 0, hops])

    def start(self, until: Instant, coming: list[Coming]) -> None:
        self.coming = sorted([*self.coming, *coming])
        sent = []
        while True:
            own = self.agenda[0][0] if self.agenda else NEVER
            due = self.coming[0].due if self.coming else NEVER
            if min(own, due) >= until:
                break
            if due <= own:
                one = self.coming.pop(0)
                assert one.due >= self.clock, "it comes too late"
                self.clock = one.due
                if isinstance(one.input, LinkInput):
                    continue
                assert isinstance(one.input, FrameInput)
                frame = one.input.frame
                self.seen.append((one.due, frame))
                if frame[14] and frame[:6] == self.mac:
                    wait = 1 + sum(frame) * 37 % 40_000
                    self.agenda.append((one.due + wait, self.mac_frame(frame[6:12], frame[14] - 1)))
                    self.agenda.sort()
            else:
                at, frame = self.agenda.pop(0)
                sent.append(Sent("net0", Instant(at), frame))
        self.clock = max(self.clock, until)
        own = self.agenda[0][0] if self.agenda else NEVER
        due = self.coming[0].due if self.coming else NEVER
        self.waiting = Report(Instant(self.clock), Instant(min(own, due)), tuple(sent))

    def finish(self) -> Report | None:
        report, self.waiting = self.waiting, None
        return report

    def recall(self, at: Instant) -> list[Coming]:
        back = [one for one in self.coming if one.due >= at]
        self.coming = [one for one in self.coming if one.due < at]
        return back


def _toys(count: int, seed: int) -> list[Toy]:
    macs = [bytes([2, 0, 0, 0, 0, number]) for number in range(count)]
    names = [f"m{number}" for number in range(count)]
    return [
        Toy(name, mac, [*macs, b"\xff" * 6], seed + at) for at, (name, mac) in enumerate(zip(names, macs, strict=True))
    ]


def _plan(count: int, seed: int) -> Plan:
    chance = random.Random(seed)
    switches = tuple(SwitchSpec(f"s{n}", chance.choice(list(SwitchKind))) for n in range(1 + seed % 3))
    links = [
        LinkSpec(f"t{n}", (End(f"s{n}"), End(f"s{chance.randrange(n)}")), chance.choice([10_000, 90_000, 400_000]))
        for n in range(1, len(switches))
    ]
    links += [
        LinkSpec(
            f"l{n}",
            (End(f"m{n}", "net0"), End(f"s{chance.randrange(len(switches))}")),
            chance.choice([10_000, 10_001, 70_000, 300_000]),
            chance.choice([0, 200_000]),
            n,
        )
        for n in range(count)
    ]
    return Plan(tuple(MachineSpec(f"m{n}") for n in range(count)), switches, tuple(links)).checked()


def _seen(seed: int, step: int) -> list[list[tuple[int, bytes]]]:
    toys = _toys(4, seed)
    conductor = Conductor(_plan(4, seed))
    for toy in toys:
        conductor.join(toy, Instant(0))
    for goal in range(step, GOAL + step, step):
        conductor.run(Instant(min(goal, GOAL)))
    return [toy.seen for toy in toys]


@pytest.mark.parametrize("seed", range(12))
def test_what_comes_where_and_when_does_not_depend_on_how_far_they_run_at_a_time(seed: int) -> None:
    naive = _seen(seed, 10_000)
    assert sum(map(len, naive)) > 5
    assert _seen(seed, GOAL) == naive
    assert _seen(seed, 123_457) == naive


@dataclass(frozen=True, slots=True)
class Deed:
    """At an instant: "cut" and "mend" a link, "pull" and "plug" a machine's cable, "crash" and "boot" it."""

    at: int
    what: str
    number: int


def _deeds(seed: int, links: int) -> list[Deed]:
    chance = random.Random(seed)
    made = []
    for _ in range(12):
        what, other = chance.choice([("cut", "mend"), ("pull", "plug"), ("crash", "boot")])
        number, at = chance.randrange(links if what == "cut" else 4), chance.randrange(GOAL)
        made += [Deed(at, what, number), Deed(at + chance.choice([0, 1, 20_000, 600_000]), other, number)]
    return sorted(made, key=lambda deed: deed.at)


class World:
    """A lab of toys to which things are done."""

    def __init__(self, seed: int) -> None:
        self.plan = _plan(4, seed)
        self.hops: dict[tuple[str, str, int], Hop] = {}
        self.toys = {toy.name: toy for toy in _toys(4, seed)}
        self.seen: dict[str, list[tuple[int, bytes]]] = {name: [] for name in self.toys}
        self.conductor = Conductor(self.plan, self._on_hop, on_loss=self._on_loss)
        self.on = dict.fromkeys(self.toys, True)
        for toy in self.toys.values():
            self.conductor.join(toy, Instant(0))

    def _on_hop(self, hop: Hop) -> None:
        self.hops[hop.link, hop.source, hop.number] = hop

    def _on_loss(self, loss: Loss) -> None:
        key = loss.link, loss.source, loss.number
        assert not self.hops[key].lost
        self.hops[key] = replace(self.hops[key], lost=loss.why)

    def do(self, deed: Deed) -> None:
        """With all at its instant."""
        at, name, link = Instant(deed.at), f"m{deed.number}", self.plan.links[deed.number].name
        match deed.what:
            case "cut" | "mend":
                state = self.conductor.fabric.state(link, at)
                self.conductor.change(link, at, replace(state, up=deed.what == "mend"))
            case "pull" | "plug" if self.on[name]:
                up = deed.what == "plug"
                self.conductor.plug(name, "net0", at, LinkInput("net0-cable", up), up=up)
            case "crash" if self.on[name]:
                self.conductor.run_alone(name, Instant(at + 1))
                self.seen[name] += self.toys[name].seen
                self.conductor.leave(name)
                self.on[name] = False
            case "boot" if not self.on[name]:
                toy = self.toys[name] = replace(
                    self.toys[name], clock=at, coming=[], agenda=[], seen=[], seed=deed.at, waiting=None
                )
                toy.agenda = [(when, frame) for when, frame in toy.agenda if when > at]
                self.conductor.join(toy, at)
                self.on[name] = True

    def run(self, step: int, deeds: list[Deed]) -> World:
        left, end = list(deeds), 2 * GOAL
        for goal in range(step, end + step, step):
            while left and left[0].at <= min(goal, end):
                self.conductor.run(Instant(left[0].at))
                self.conductor.passes(Instant(left[0].at))
                self.do(left.pop(0))
            self.conductor.run(Instant(min(goal, end)))
        for name, toy in self.toys.items():
            self.seen[name] += toy.seen if self.on[name] else []
        return self


def _fate(hop: Hop, deeds: list[Deed], plan: Plan) -> str:
    """By the deeds alone: what should have become of something that was not lost as it was put on its link."""
    cut, pulled, on = False, False, True
    number = next(at for at, link in enumerate(plan.links) if link.name == hop.link)
    for deed in [one for one in deeds if one.what in ("cut", "mend") and one.number == number]:
        later = [one.at for one in deeds if one.what in ("cut", "mend") and one.number == number and one.at > deed.at]
        same = [one.what for one in deeds if one.what in ("cut", "mend") and one.number == number and one.at == deed.at]
        lasts = deed.at, min(later, default=NEVER)
        if same[-1] == "cut" and lasts[0] < hop.due and hop.sent < lasts[1]:
            cut = True
    for deed in [one for one in deeds if hop.target == f"m{one.number}.net0"]:
        match deed.what:
            case "pull" | "plug" if on and deed.at < hop.due:
                pulled = deed.what == "pull"
            case "crash" if deed.at < hop.due:
                on = False
            case "boot" if deed.at <= hop.due and not on:
                on, pulled = True, False
    return "cut" if cut else "unplugged" if pulled and on else "" if on else "switched off"


@pytest.mark.parametrize("seed", range(25))
def test_what_is_on_its_way_comes_or_is_lost_by_what_was_done_until_it_is_due(seed: int) -> None:
    deeds = _deeds(seed, len(_plan(4, seed).links))
    world = World(seed).run(10_000, deeds)
    for hop in world.hops.values():
        assert hop.lost == "lost" or hop.lost == _fate(hop, deeds, world.plan), hop
    for name in world.toys:
        came = sorted(
            (hop.due, hop.data) for hop in world.hops.values() if hop.target == f"{name}.net0" and not hop.lost
        )
        assert sorted(world.seen[name]) == came
    for step in (GOAL, 123_457):
        other = World(seed).run(step, deeds)
        assert (other.hops, other.seen) == (world.hops, world.seen)
