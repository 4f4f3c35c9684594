"""What was put on a link, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from devices.network.packet_filter import PROTOCOLS
from devices.network.summary import in_words, summary
from vmdbg.errors import UserError
from vmdbg.lab.plan import SERIAL_PORTS, Plan
from vmdbg.session.registry import did_you_mean


def packet_words(source: str, data: bytes) -> str:
    """Of the first bytes of what an end of a link sent: a frame, or characters of a serial line."""
    return repr(data.decode("latin-1")) if _is_serial(source) else in_words(data)


def is_of(source: str, data: bytes, protocols: Collection[str]) -> bool:
    """Whether it is of one of these, in lower case."""
    return not _is_serial(source) and not summary(data).protocols.isdisjoint(protocols)


def meant(plan: Plan, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which are names of a link or of what it ends at, and which are protocols. Raises UserError of what is neither."""
    machines, links = (machine.name for machine in plan.machines), (link.name for link in plan.links)
    known = {*machines, *links, *(end.node for link in plan.links for end in link.ends)}
    for word in words:
        if word not in known and word.lower() not in PROTOCOLS:
            there = ", ".join((*sorted(known), *PROTOCOLS))
            guess = did_you_mean(word, known)
            raise UserError(f"{word!r} is no link, machine, switch or protocol{guess}; there are: {there}")
    names = [word for word in words if word in known]
    return names, [word.lower() for word in words if word not in known]


def _is_serial(source: str) -> bool:
    return source.rpartition(".")[2] in SERIAL_PORTS
