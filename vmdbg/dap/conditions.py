"""When a breakpoint of the client stops: its condition, and how often it was hit."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from dapstub import requests
from dapstub.errors import TargetError
from vmdbg.commands.points.conditions import expression_test, tell_untyped
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.hits import Hits
from vmdbg.debugger.points import Condition
from vmdbg.session.session import Session

_HITS = re.compile(r"\s*(?P<sign>==|>=|<=|=|>|<|%)?\s*(?P<number>\d{1,18})\s*")
_SIGNS: dict[str, Callable[[int, int], bool]] = {
    "": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "%": lambda hits, number: hits % number == 0,
}


def condition_of(session: Session, when: requests.Conditions) -> Condition | None:
    """None where it always stops. Raises TargetError, UserError.

    Hits are counted by instants: passing one again, back or forth, counts it once.
    """
    tests: list[Callable[[Guest], bool]] = []
    if when.condition.strip():
        expression = session.compile(when.condition)
        holds = expression_test(session, expression)
        tests.append(lambda _guest: holds())
        tell_untyped(session, expression)
    if when.hits.strip():
        tests.append(_hit_test(when.hits))
    if not tests:
        return None
    return lambda guest: all(test(guest) for test in tests)


def condition_words(when: requests.Conditions) -> str:
    parts = (f"if {when.condition}" if when.condition.strip() else "", f"hits {when.hits}" if when.hits.strip() else "")
    return ", ".join(filter(None, parts))


def _hit_test(words: str) -> Callable[[Guest], bool]:
    found = _HITS.fullmatch(words)
    if found is None or (found["sign"] == "%" and not int(found["number"])):
        raise TargetError(f"{words!r} says no number of hits: write 5, >= 5, > 5, == 5, < 5 or % 5")
    compare, number, hits = _SIGNS[found["sign"] or ""], int(found["number"]), Hits()
    return lambda guest: compare(hits.add(guest.position), number)
