"""Who may run how far, held to a naive model: machines that are all run in steps of the least latency."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from devices.network.inputs import FrameInput
from vmdbg.lab.conductor import Conductor
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
