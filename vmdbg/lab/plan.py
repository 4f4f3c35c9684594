"""What a lab is made of: machines, switches and links between them, and what is to happen when."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from vmdbg.errors import UserError

Instant = NewType("Instant", int)
"""Of the lab's clock: nanoseconds since it began. A machine's ticks are counted from when it was switched on."""
NEVER = Instant(1 << 62)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
LEAST_LATENCY = 10_000
"""Nanoseconds. Machines run apart for so long: with less they would wait for each other more than they run."""
USUAL_LATENCY = 500_000
"""Of a link that says nothing."""
LEAST_SERIAL_LATENCY = 86_806
"""Of a null-modem cable: ten bits at 115,200 baud."""
LONGEST_LATENCY = 60_000_000_000
NET_PORTS = tuple(f"net{number}" for number in range(8))
SERIAL_PORTS = ("com2", "com3", "com4")
"""COM1 is the console."""
FILE_OPTIONS = ("kernel", "initrd", "modules", "bios", "nvram", "symbols", "disks", "cdroms", "floppies", "shares")
"""Options of machines whose values begin with a path."""


class SwitchKind(enum.StrEnum):
    LEARNING = "learning"
    """Sends a frame to where its destination was last heard from (802.1D, 7.8), or everywhere."""
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """`options` as `vmdbg.launch` takes them. `starts`: when it is switched on. `held`: why it never is again."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    starts: Instant = Instant(0)
    held: str = ""


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    name: str
    kind: SwitchKind = SwitchKind.LEARNING


@dataclass(frozen=True, slots=True)
class End:
    """A machine with one of its ports, or a switch without."""

    node: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.node}.{self.port}" if self.port else self.node


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A cable. `loss` is of a million frames, drawn by `seed`."""

    name: str
    ends: tuple[End, End]
    latency: int
    loss: int = 0
    seed: int = 0

    @property
    def is_serial(self) -> bool:
        return any(end.port in SERIAL_PORTS for end in self.ends)


class PlanError(UserError):
    """A part of a plan does not fit the others. `key` is which of a link's settings is wrong; "" if it is all of it."""

    def __init__(self, words: str, part: MachineSpec | SwitchSpec | LinkSpec | None = None, key: str = "") -> None:
        super().__init__(words)
        self.part = part
        self.key = key


@dataclass(frozen=True, slots=True)
class Happening:
    """What somebody does at an instant, as the prompt's commands of a lab say it."""

    at: Instant
    line: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Raises UserError, from checked(), where the parts do not fit together."""

    machines: tuple[MachineSpec, ...]
    switches: tuple[SwitchSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()
    happenings: tuple[Happening, ...] = ()

    def ports(self, machine: str) -> list[str]:
        """Those that a link is plugged into, in order."""
        ends = [end for link in self.links for end in link.ends if end.node == machine]
        return sorted(end.port for end in ends)

    def checked(self) -> Plan:
        """Itself. Raises PlanError."""
        if not self.machines:
            raise PlanError("a lab needs machines: name one, as [machines.client]")
        parts: list[MachineSpec | SwitchSpec] = [*self.machines, *self.switches]
        names = [part.name for part in parts]
        for part in reversed(parts):
            _check_name(part)
            if names.count(part.name) > 1:
                raise PlanError(f"there are two parts of the lab called {part.name}: give each its own name", part)
        for link in self.links:
            self._check_link(link)
        self._check_ports()
        self._check_no_loop()
        return self

    def _check_ports(self) -> None:
        taken = set[End]()
        for link in self.links:
            for end in link.ends:
                if end.port and end in taken:
                    words = f"two links are plugged into {end}: a port takes one; a switch takes any number"
                    raise PlanError(words, link, "ends")
                taken.add(end)

    def _check_link(self, link: LinkSpec) -> None:
        _check_name(link)
        if [other.name for other in self.links].count(link.name) > 1:
            raise PlanError(f"two links are called {link.name}: give each its own `name`", link, "name")
        least = LEAST_SERIAL_LATENCY if link.is_serial else LEAST_LATENCY
        if not least <= link.latency <= LONGEST_LATENCY:
            raise PlanError(
                f"link {link.name}: a latency of {link.latency} ns is not between {least} ns and a minute: "
                "machines run apart for so long, so it cannot be less",
                link,
                "latency",
            )
        for end in link.ends:
            self._check_end(link, end)
        if link.is_serial and not all(end.port in SERIAL_PORTS for end in link.ends):
            other = next(end for end in link.ends if end.port not in SERIAL_PORTS)
            words = f"link {link.name}: a serial port is linked to a serial port, not to {other}"
            raise PlanError(words, link, "ends")
        if link.ends[0] == link.ends[1]:
            raise PlanError(f"link {link.name}: both ends are {link.ends[0]}: name two", link, "ends")

    def _check_end(self, link: LinkSpec, end: End) -> None:
        switches, machines = ([part.name for part in parts] for parts in (self.switches, self.machines))
        if not end.port and end.node not in switches:
            words = f"there is no switch {end.node!r} (there are: {', '.join(sorted(switches)) or 'none'}); "
            words += "an end at a machine names its port, as client.net0"
        elif end.port and end.node not in machines:
            words = f"there is no machine {end.node!r}; there are: {', '.join(machines)}"
        elif end.port and end.port not in (*NET_PORTS, *SERIAL_PORTS):
            ports = f"{NET_PORTS[0]} to {NET_PORTS[-1]}, {', '.join(SERIAL_PORTS)}"
            words = f"there is no port {end.port!r}; a machine has {ports}"
        else:
            return
        raise PlanError(f"link {link.name}: {words}", link, "ends")

    def _check_no_loop(self) -> None:
        """Frames to all would go round for ever."""
        root = {switch.name: switch.name for switch in self.switches}

        def find(name: str) -> str:
            while root[name] != name:
                name = root[name]
            return name

        for link in self.links:
            if all(not end.port for end in link.ends):
                one, other = (find(end.node) for end in link.ends)
                if one == other:
                    words = f"link {link.name} closes a loop of switches: frames would go round for ever; take one away"
                    raise PlanError(words, link, "ends")
                root[one] = other


def _check_name(part: MachineSpec | SwitchSpec | LinkSpec) -> None:
    """Raises PlanError."""
    if not NAME.fullmatch(part.name):
        words = f"{part.name[:40]!r} is no name: give a letter, then letters, digits, - and _, 32 at most"
        raise PlanError(words, part, "name")
