"""What else stops the guest, as the protocol's exception filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dapstub import values
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session
from vmdbg.x86.exceptions import EXCEPTIONS

OOPS = "oops"


@dataclass(frozen=True, slots=True)
class Catch:
    """A filter, and the command that catches it; what its condition says goes behind that."""

    filter: values.ExceptionFilter
    line: str


def _filters() -> tuple[Catch, ...]:
    made = [
        Catch(
            values.ExceptionFilter(
                OOPS,
                "Linux: oops, panic, warning",
                "Where a Linux kernel is about to report that something is wrong. Once it is known.",
                default=True,
                supports_condition=True,
                condition_description="only these: oops panic warning lockup hung rcu",
            ),
            "catch oops",
        )
    ]
    for vector, info in EXCEPTIONS.items():
        filter_ = values.ExceptionFilter(
            f"vector{vector}", f"{info.mnemonic} {info.name}", "At the handler's first instruction."
        )
        made.append(Catch(filter_, f"catch vector {vector}"))
    others = (
        ("syscall", "System calls", "catch syscall", "only these, by name"),
        ("interrupt", "Interrupts of devices", "catch interrupt", "only these vectors"),
        ("cr3", "Loads of CR3", "catch cr3", ""),
        ("mode", "Mode switches", "catch mode", ""),
        ("disk", "Requests to drives", "catch disk", "read, write or flush"),
    )
    for name, label, line, condition in others:
        supports = bool(condition)
        filter_ = values.ExceptionFilter(
            name, label, "", supports_condition=supports, condition_description=condition or None
        )
        made.append(Catch(filter_, line))
    return tuple(made)


CATCHES = _filters()
FILTERS: Sequence[values.ExceptionFilter] = tuple(one.filter for one in CATCHES)
_BY_NAME = {one.filter.filter: one for one in CATCHES}


class Catches:
    """Those that the client has on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: list[str] = []

    def set(self, wanted: Sequence[tuple[str, str]]) -> list[values.Breakpoint]:
        """These and no others; what cannot be caught says why."""
        for line in self._lines:
            self._session.run(f"{line} --off")
        self._lines.clear()
        return [self._one(name, condition) for name, condition in wanted]

    def _one(self, name: str, condition: str) -> values.Breakpoint:
        found = _BY_NAME.get(name)
        if found is None:
            return values.Breakpoint(False, message=f"there is no filter {name!r}")
        line = f"{found.line} {' '.join(condition.split())}".strip()
        if line in self._lines:
            return values.Breakpoint(True)
        try:
            self._session.run(line)
        except VmdbgError as error:
            return values.Breakpoint(False, message=str(error))
        self._lines.append(line)
        return values.Breakpoint(True)
