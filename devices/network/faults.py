"""How bad a cable is: which frames are lost, late, twice there or overtaken, as a seed and their numbers say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from devices.network.inputs import MILLION, FaultsInput
from devices.network.wire import Direction

HELD_BACK = 1_000_000
"""Nanoseconds by which a frame is later that others are to overtake."""
_WORD = 1 << 32


@dataclass(frozen=True, slots=True)
class Faults:
    """`loss`, `duplicate` and `reorder` are of a million frames each, `delay` in nanoseconds, for both directions."""

    loss: int = 0
    duplicate: int = 0
    reorder: int = 0
    delay: int = 0
    seed: int = 0

    def draws(self, direction: Direction, number: int) -> Luck:
        """What becomes of that frame: the same whoever asks, and whatever became of others."""
        if not (self.loss or self.duplicate or self.reorder):
            return Luck(delay=self.delay) if self.delay else NO_FAULT
        drawn = hashlib.blake2b(f"{self.seed} {direction} {number}".encode(), digest_size=12).digest()
        lost, twice, late = (
            int.from_bytes(drawn[at : at + 4], "little") * MILLION < chance * _WORD
            for at, chance in ((0, self.loss), (4, self.duplicate), (8, self.reorder))
        )
        return Luck(lost, twice, self.delay + (HELD_BACK if late else 0))

    def rows(self) -> str:
        """In words."""
        shares = (("lost", self.loss), ("twice", self.duplicate), ("held back", self.reorder))
        parts = [f"{share / 10_000:g} % {word}" for word, share in shares if share]
        parts += [f"{self.delay / 1e6:g} ms late"] if self.delay else []
        return ", ".join(parts) + f", seed {self.seed}" if parts else "none"


@dataclass(frozen=True, slots=True)
class Luck:
    """Of one frame: whether it is lost, whether it comes twice, how much later in nanoseconds."""

    lost: bool = False
    twice: bool = False
    delay: int = 0


NO_FAULT = Luck()


def faults_of(wanted: FaultsInput) -> Faults:
    return Faults(wanted.loss, wanted.duplicate, wanted.reorder, wanted.delay, wanted.seed)
