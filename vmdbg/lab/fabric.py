"""What is between the machines: links that take time, switches, and what is on its way.

All is ordered by (instant, link, side, number), which depends on nothing but what the machines have sent. A switch
forwards a frame only once nothing can come before it any more, so that it is the same whoever was run first.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from vmdbg.lab.plan import NEVER, End, Instant, LinkSpec, Plan, SwitchKind

MILLION = 1_000_000
_WORD = 1 << 64
MOST_LEARNT = 4096
"""Addresses that a switch remembers; the oldest go."""


@dataclass(frozen=True, slots=True, order=True)
class Carried:
    """A frame, or characters of a serial line, at the far end of a link at `due`."""

    due: Instant
    link: int
    side: int
    number: int
    data: bytes = field(compare=False)
    sent: Instant = field(compare=False)


@dataclass(frozen=True, slots=True)
class Hop:
    """What became of one thing on a link: put on it at `sent`, at its other end at `due`; `lost` says why it is not."""

    link: str
    number: int
    source: str
    target: str
    sent: Instant
    due: Instant
    data: bytes
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """Of a Hop, which these tell from others: it is lost after all, for what was done while it was on its way."""

    link: str
    source: str
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class LinkState:
    """From an instant on."""

    up: bool = True
    loss: int = 0
    seed: int = 0


class _Link:
    def __init__(self, number: int, spec: LinkSpec) -> None:
        self.number = number
        self.spec = spec
        self.counts = [0, 0]
        """Of what was put on it, at each side."""
        self.since = [Instant(0)]
        self.states = [LinkState(loss=spec.loss, seed=spec.seed)]

    def change(self, at: Instant, state: LinkState) -> None:
        self.since.append(at)
        self.states.append(state)

    def state(self, at: Instant) -> LinkState:
        return self.states[bisect_right(self.since, at) - 1]

    def was_cut(self, sent: Instant, due: Instant) -> bool:
        """While something was on its way: from `sent` until before `due`."""
        at = bisect_right(self.since, sent) - 1
        while at < len(self.since) and self.since[at] < due:
            passes = at + 1 < len(self.since) and self.since[at + 1] == self.since[at]
            if not (self.states[at].up or passes):
                return True
            at += 1
        return False

    def loses(self, at: Instant, side: int, number: int) -> str:
        """Why it does, or nothing."""
        state = self.state(at)
        if not state.up:
            return "cut"
        drawn = hashlib.blake2b(f"{state.seed} {side} {number}".encode(), digest_size=8).digest()
        return "lost" if int.from_bytes(drawn, "little") * MILLION < state.loss * _WORD else ""


class _Switch:
    def __init__(self, name: str, kind: SwitchKind) -> None:
        self.name = name
        self.kind = kind
        self.ports: list[tuple[_Link, int]] = []
        """Links, and the side at which it is."""
        self.waiting: list[Carried] = []
        self.learnt: dict[bytes, int] = {}
        """By address, the number of the link behind which it was heard last."""

    def outputs(self, frame: bytes, came: int) -> list[tuple[_Link, int]]:
        target, source = frame[:6], frame[6:12]
        if self.kind is SwitchKind.LEARNING:
            self.learnt.pop(source, None)
            self.learnt[source] = came
            if len(self.learnt) > MOST_LEARNT:
                del self.learnt[next(iter(self.learnt))]
        known = self.learnt.get(target) if not target[0] & 1 else None
        return [(link, side) for link, side in self.ports if link.number != came and known in (None, link.number)]


class Fabric:
    """`on_hop` is told of everything that is put on a link, `on_loss` of what of that is lost on its way.

    `deliver` has what is to come to a machine. Whether it does, fate() says once everything is known that was done
    before it is due.
    """

    def __init__(
        self,
        plan: Plan,
        deliver: Callable[[str, str, Carried], None],
        on_hop: Callable[[Hop], None],
        on_loss: Callable[[Loss], None],
    ) -> None:
        """deliver(machine, port, what)."""
        self._deliver = deliver
        self._on_hop = on_hop
        self._on_loss = on_loss
        self._recalled: dict[tuple[str, str, int], str] = {}
        """What became of what was put on links before, by link, source and number, where it is put there once more."""
        self._pulled: dict[End, list[tuple[Instant, bool]]] = {}
        """When cables were pulled out of ports (False) and plugged in again, for those that ever were."""
        self._links = [_Link(number, spec) for number, spec in enumerate(plan.links)]
        self._switches = {spec.name: _Switch(spec.name, spec.kind) for spec in plan.switches}
        self._at: dict[End, tuple[_Link, int]] = {}
        self._nodes = [*(machine.name for machine in plan.machines), *self._switches]
        self._into: dict[str, list[tuple[str, int]]] = {name: [] for name in self._nodes}
        """Who is at the other ends of a node's links, and how far."""
        for link in self._links:
            for side, end in enumerate(link.spec.ends):
                other = link.spec.ends[1 - side]
                self._into[end.node].append((other.node, link.spec.latency))
                if end.port:
                    self._at[end] = (link, side)
                else:
                    self._switches[end.node].ports.append((link, side))

    def link(self, name: str) -> LinkSpec | None:
        return next((link.spec for link in self._links if link.spec.name == name), None)

    def state(self, name: str, at: Instant) -> LinkState:
        return self._named(name).state(at)

    def change(self, name: str, at: Instant, state: LinkState) -> None:
        """From `at` on, which is not before what was said before."""
        self._named(name).change(at, state)

    def plug(self, end: End, at: Instant, *, up: bool) -> None:
        """After all that comes at that instant."""
        self._pulled.setdefault(end, []).append((at, up))

    def switched_on(self, machine: str) -> None:
        """Its cables are plugged in."""
        for end in [one for one in self._pulled if one.node == machine]:
            del self._pulled[end]

    def fate(self, link: int, side: int, sent: Instant, due: Instant) -> str:
        """Why what was put on the link does not come out of it, or nothing."""
        spec = self._links[link].spec
        if self._links[link].was_cut(sent, due):
            return "cut"
        changes = [up for at, up in self._pulled.get(spec.ends[1 - side], ()) if at < due]
        return "" if not changes or changes[-1] else "unplugged"

    def lose(self, link: int, side: int, number: int, why: str) -> None:
        spec = self._links[link].spec
        self._on_loss(Loss(spec.name, str(spec.ends[side]), number, why))

    def _named(self, name: str) -> _Link:
        return next(link for link in self._links if link.spec.name == name)

    def send(self, machine: str, port: str, at: Instant, data: bytes) -> None:
        """A machine has sent; in the order of each of its ports."""
        found = self._at.get(End(machine, port))
        if found is not None:
            self._put(*found, at, data)

    def _put(self, link: _Link, side: int, at: Instant, data: bytes) -> None:
        number, link.counts[side] = link.counts[side], link.counts[side] + 1
        why = link.loses(at, side, number)
        known = self._recalled.pop((link.spec.name, str(link.spec.ends[side]), number), None)
        if known is not None and why != "cut":  # somebody may have changed the link a moment after its instant
            why = known if known == "lost" else ""
        due = Instant(at + link.spec.latency)
        source, target = link.spec.ends[side], link.spec.ends[1 - side]
        self._on_hop(Hop(link.spec.name, number, str(source), str(target), at, due, data, why))
        if why:
            return
        carried = Carried(due, link.number, side, number, data, at)
        if target.port:
            self._deliver(target.node, target.port, carried)
        else:
            heappush(self._switches[target.node].waiting, carried)

    def resume(self, hops: Iterable[Hop], base: Instant) -> None:
        """What was put on links before, in the order of its instants: up to `base` it was, and is on its way to
        switches yet or has come; what comes after that is put on them again.
        """
        came: list[tuple[Carried, _Switch]] = []
        for hop in hops:
            if hop.sent > base:
                self._recalled[hop.link, hop.source, hop.number] = hop.lost
                continue
            link = self._named(hop.link)
            side = [str(end) for end in link.spec.ends].index(hop.source)
            link.counts[side] = max(link.counts[side], hop.number + 1)
            switch = self._switches.get(link.spec.ends[1 - side].node)
            if switch is None or hop.lost:
                continue
            carried = Carried(hop.due, link.number, side, hop.number, hop.data, hop.sent)
            if hop.due > base:
                heappush(switch.waiting, carried)
            else:
                came.append((carried, switch))
        for carried, switch in sorted(came, key=lambda one: one[0]):
            switch.outputs(carried.data, carried.link)

    def settle(self, earliest: Callable[[], Mapping[str, Instant]], now: Instant) -> dict[str, Instant]:
        """Have switches forward what nothing can come before. `earliest`: when each machine may send next, which what
        is delivered to it changes. What comes at `now` or later they keep: something may be done before.

        Returns how far each machine may run: nothing comes to it before that which was not delivered.
        """
        while True:
            sources = earliest()
            arrivals = self._arrivals(sources)
            moved = [
                switch
                for switch in self._switches.values()
                if self._forward(switch, Instant(min(arrivals[switch.name], now)))
            ]
            if not moved:
                return {name: arrivals[name] for name in sources}

    def _forward(self, switch: _Switch, safe: Instant) -> bool:
        """Whether it had something."""
        moved = False
        while switch.waiting and switch.waiting[0].due < safe:
            moved = True
            carried = heappop(switch.waiting)
            why = self.fate(carried.link, carried.side, carried.sent, carried.due)
            if why:
                self.lose(carried.link, carried.side, carried.number, why)
                continue
            for link, side in switch.outputs(carried.data, carried.link):
                self._put(link, side, carried.due, carried.data)
        return moved

    def reached_from(self, name: str, at: Instant) -> dict[str, Instant]:
        """When what a node sends at an instant can be at each other at the earliest."""
        return self._shortest({name: at})

    def _arrivals(self, earliest: Mapping[str, Instant]) -> dict[str, Instant]:
        """When something unknown may come to each node at the earliest: shortest paths from all who may send."""
        begins = dict(earliest)
        for switch in self._switches.values():
            begins[switch.name] = switch.waiting[0].due if switch.waiting else NEVER
        return self._shortest(begins)

    def _shortest(self, begins: Mapping[str, Instant]) -> dict[str, Instant]:
        arrivals = dict.fromkeys(self._nodes, NEVER)
        queue = [(instant, name) for name, instant in begins.items() if instant < NEVER]
        heapify(queue)
        done: set[str] = set()
        while queue:
            instant, name = heappop(queue)
            if name in done:
                continue
            done.add(name)
            for other, latency in self._into[name]:
                comes = Instant(instant + latency)
                if comes < arrivals[other]:
                    arrivals[other] = comes
                    heappush(queue, (comes, other))
        return arrivals

    def on_the_way(self) -> Iterable[Carried]:
        """To switches."""
        return [carried for switch in self._switches.values() for carried in sorted(switch.waiting)]
