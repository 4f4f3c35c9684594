"""Where QEMU does otherwise than the engine and the SDM says that the engine is right, or says nothing.

Some is a matter of words: bits of what is kept differ, and all else is alike. Some is a matter of instructions: what
one does in the engine it does not in QEMU, and what comes after it differs as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.conformance.system.case import Case
from tests.conformance.system.follow import Step
from tests.conformance.system.known_acts import ACTS
from tests.conformance.system.known_words import WORDS, resume_flag
from tests.conformance.system.layout import HANGS, Result

Differences = dict[str, tuple[int | None, int | None]]


def _by_words(case: Case, steps: Sequence[Step], apart: Differences) -> str | None:
    applying, reason = [word for word in WORDS if word.applies(case, steps)], None
    for name, (a, b) in apart.items():
        word = None if a is None or b is None else next((one for one in applying if one.covers(name, a, b)), None)
        if word is None:
            return None
        reason = word.reason if reason in (None, WORDS[0].reason) else reason
    return reason


def explain(
    case: Case, expected: Result, found: Result, apart: Differences, follow: Callable[[Case], Sequence[Step]]
) -> str | None:
    """Why they are `apart`; `follow` makes the case again in the engine."""
    if expected.vector == HANGS != found.vector:
        return "QEMU does not go on, or ends"
    if all(a is not None and b is not None and resume_flag(name, a, b) for name, (a, b) in apart.items()):
        return WORDS[0].reason
    steps = follow(case)
    found_by_words = _by_words(case, steps, apart)
    if found_by_words:
        return found_by_words
    return next((act.reason for act in ACTS if any(act.applies(step, expected, found) for step in steps)), None)
