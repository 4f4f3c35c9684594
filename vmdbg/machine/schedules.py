"""The schedules that there are, by the names under which users ask for them.

`round-robin[:QUANTUM]`, `random:SEED[,most=TICKS]`, `pct:SEED[,DEPTH][,length=TICKS][,grain=TICKS][,from=TICK]`,
`only:CPU`, and `turns:` with what a file of turns says, `0*1000 1*20 ...`. Numbers of ticks are as `100k`, `1.5m`,
`2G`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.machine.schedule import (
    DEFAULT_QUANTUM,
    LEAST_DRAWN,
    LEAST_QUANTUM,
    LISTED,
    MOST_QUANTUM,
    ONLY,
    ROUND_ROBIN,
    OneAlone,
    RoundRobin,
    Schedule,
)
from vmdbg.units import CpuId, scaled_ticks
from vmdbg.x86.topology import MOST_CPUS

if TYPE_CHECKING:
    from vmdbg.machine.schedule_pct import Pct
    from vmdbg.machine.schedule_random import RandomTurns

FORMS = {
    ROUND_ROBIN: "round-robin[:QUANTUM]",
    "random": "random:SEED[,most=TICKS]",
    "pct": "pct:SEED[,DEPTH][,length=TICKS][,grain=TICKS][,from=TICK]",
    ONLY: "only:CPU",
}
MOST_DEPTH = 64
MOST_SEED = (1 << 64) - 1
_TICKS = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmg]?)", re.IGNORECASE | re.ASCII)


def parse_schedule(text: str) -> Schedule:
    """Raises ValueError in words."""
    name, colon, settings = text.partition(":")
    if name == LISTED:
        from vmdbg.machine.schedule_list import parse_listed  # each is loaded for who asks for it

        return parse_listed(settings)
    reader = _READERS.get(name)
    if reader is None:
        raise ValueError(f"there is no schedule {name[:40]!r}; there are: {', '.join(FORMS.values())}")
    if name == ROUND_ROBIN and not colon:
        return RoundRobin()
    try:
        return reader(settings)
    except _UnusableError as error:
        raise ValueError(f"{text[:80]!r} is no schedule: {error}; give {FORMS[name]}") from None


def schedule_of(text: str, cpus: int) -> Schedule:
    """For a machine of so many CPUs. Raises ValueError in words."""
    schedule = parse_schedule(text)
    if isinstance(schedule, OneAlone) and schedule.cpu >= cpus:
        raise ValueError(f"there is no CPU {schedule.cpu}: the guest has CPUs 0 to {cpus - 1}")
    return schedule


def is_schedule(text: str) -> bool:
    """Whether parse_schedule() takes it."""
    try:
        parse_schedule(text)
    except ValueError:
        return False
    return True


class _UnusableError(Exception):
    """What is wrong with a setting."""


def _round_robin(settings: str) -> RoundRobin:
    return RoundRobin(_ticks(settings, "quantum", LEAST_QUANTUM, MOST_QUANTUM))


def _random(settings: str) -> RandomTurns:
    from vmdbg.machine.schedule_random import RandomTurns

    seed, *rest = settings.split(",")
    named = _named(rest, "most")
    most = _ticks(named["most"], "length of a turn", LEAST_DRAWN, MOST_QUANTUM) if "most" in named else DEFAULT_QUANTUM
    return RandomTurns(_number(seed, "seed", 0, MOST_SEED), most)


def _pct(settings: str) -> Pct:
    from vmdbg.machine.schedule_pct import DEFAULT_DEPTH, DEFAULT_GRAIN, DEFAULT_LENGTH, Pct

    seed, *rest = settings.split(",")
    depth = DEFAULT_DEPTH
    if rest and "=" not in rest[0]:
        depth = _number(rest.pop(0), "depth", 1, MOST_DEPTH)
    named = _named(rest, "length", "grain", "from")
    length = _ticks(named["length"], "length", 1, MOST_QUANTUM) if "length" in named else DEFAULT_LENGTH
    first = _ticks(named["from"], "tick", 0, MOST_QUANTUM) if "from" in named else 0
    grain = _ticks(named["grain"], "length of a turn", LEAST_DRAWN, MOST_QUANTUM) if "grain" in named else DEFAULT_GRAIN
    return Pct(_number(seed, "seed", 0, MOST_SEED), depth, length, first, grain)


def _only(settings: str) -> OneAlone:
    return OneAlone(CpuId(_number(settings, "CPU", 0, MOST_CPUS - 1)))


_READERS: dict[str, Callable[[str], Schedule]] = {
    ROUND_ROBIN: _round_robin,
    "random": _random,
    "pct": _pct,
    ONLY: _only,
}


def _named(settings: list[str], *names: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name not in names or not equals or name in found:
            raise _UnusableError(f"{setting[:40]!r} is none of {', '.join(f'{one}=...' for one in names)}, each once")
        found[name] = value
    return found


def _number(text: str, what: str, least: int, most: int) -> int:
    value = int(text) if text.isdecimal() and text.isascii() and len(text) <= 20 else -1
    if not least <= value <= most:
        raise _UnusableError(f"{text[:40]!r} is no {what}, which is a number from {least} to {most}")
    return value


def _ticks(text: str, what: str, least: int, most: int) -> int:
    found = _TICKS.fullmatch(text)
    value = scaled_ticks(found[1], found[2]) if found is not None else -1
    if not least <= value <= most:
        raise _UnusableError(f"{text[:40]!r} is no {what}, which is {least} to {most} ticks, as 100k")
    return value
