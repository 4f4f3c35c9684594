"""How a run along a timeline ends."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.machine.outcome import Outcome


@dataclass(frozen=True, slots=True)
class EndOfHistory:
    """The recording ends here: nothing is known of what the guest did next."""


TimelineOutcome = Outcome | EndOfHistory
