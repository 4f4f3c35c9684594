"""What somebody does to a lab: cut a link, switch a machine off. A line of text each, at the prompt and in a plan."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from vmdbg.errors import UserError
from vmdbg.lab.fabric import MILLION, LinkState
from vmdbg.lab.plan import NET_PORTS, Plan


@dataclass(frozen=True, slots=True)
class Cut:
    """Nothing that is put on the link comes through any more; a guest does not see it."""

    link: str


@dataclass(frozen=True, slots=True)
class Mend:
    """The link is whole again, and loses nothing."""

    link: str


@dataclass(frozen=True, slots=True)
class Lose:
    """`share` of a million frames, as `seed` draws them."""

    link: str
    share: int
    seed: int


@dataclass(frozen=True, slots=True)
class Plug:
    """The cable of a network device is plugged in or pulled out, which its guest sees."""

    machine: str
    port: str
    up: bool


@dataclass(frozen=True, slots=True)
class Crash:
    """A machine loses its power."""

    machine: str


@dataclass(frozen=True, slots=True)
class Boot:
    """A machine is switched on, from the beginning."""

    machine: str


@dataclass(frozen=True, slots=True)
class Type:
    """At a machine's console."""

    machine: str
    text: str


Action = Cut | Mend | Lose | Plug | Crash | Boot | Type
FORMS = {
    "cut": "cut LINK",
    "mend": "mend LINK",
    "lose": "lose LINK PERCENT [SEED]",
    "plug": "plug MACHINE.PORT",
    "unplug": "unplug MACHINE.PORT",
    "crash": "crash MACHINE",
    "boot": "boot MACHINE",
    "type": "type MACHINE TEXT",
}


def parse_action(line: str, plan: Plan) -> Action:
    """Raises UserError."""
    try:
        word, *rest = shlex.split(line) or [""]
    except ValueError as error:
        raise UserError(f"{line!r}: {error}") from None
    if word not in FORMS:
        raise UserError(f"nothing is called {word!r}; there are: {', '.join(FORMS.values())}")
    counts = (2, 3) if word == "lose" else (2,) if word == "type" else (1,)
    if len(rest) not in counts:
        raise UserError(f"{line!r}: it is {FORMS[word]}")
    match word:
        case "cut":
            return Cut(_link(rest[0], plan))
        case "mend":
            return Mend(_link(rest[0], plan))
        case "lose":
            return Lose(_link(rest[0], plan), _share(rest[1]), _seed(rest[2]) if len(rest) > 2 else 0)
        case "plug" | "unplug":
            return _plug(rest[0], plan, up=word == "plug")
        case "crash":
            return Crash(_machine(rest[0], plan))
        case "boot":
            return Boot(_machine(rest[0], plan))
        case _:
            return Type(_machine(rest[0], plan), rest[1])


def link_state(action: Cut | Mend | Lose, before: LinkState) -> LinkState:
    """What the link is from then on."""
    match action:
        case Cut():
            return LinkState(False, before.loss, before.seed)
        case Mend():
            return LinkState()
        case Lose(_, share, seed):
            return LinkState(loss=share, seed=seed)


def _link(name: str, plan: Plan) -> str:
    known = [link.name for link in plan.links]
    if name not in known:
        raise UserError(f"there is no link {name!r}; there are: {', '.join(known) or 'none'}")
    return name


def _machine(name: str, plan: Plan) -> str:
    known = [machine.name for machine in plan.machines]
    if name not in known:
        raise UserError(f"there is no machine {name!r}; there are: {', '.join(known)}")
    return name


def _plug(text: str, plan: Plan, *, up: bool) -> Plug:
    machine, _, port = text.partition(".")
    ports = [one for one in plan.ports(_machine(machine, plan)) if one in NET_PORTS]
    if port not in ports:
        raise UserError(f"there is no cable at {text!r}; {machine} has some at: {', '.join(ports) or 'no port'}")
    return Plug(machine, port, up)


def _share(text: str) -> int:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise UserError(f"{text!r} is no share of all frames: give per cent, as 2.5")
    return round(share * MILLION / 100)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 64:
        raise UserError(f"{text!r} is no seed: give a number of 64 bits")
    return int(text)
