"""What reaches a cable from outside."""

from __future__ import annotations

from dataclasses import dataclass

from devices.network.frame import is_frame

MILLION = 1_000_000
LONGEST_DELAY = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class FrameInput:
    """A frame comes from the other end of the cable `device`."""

    device: str
    frame: bytes

    def __post_init__(self) -> None:
        if not is_frame(self.frame):
            raise ValueError(f"{len(self.frame)} bytes are no frame")


@dataclass(frozen=True, slots=True)
class LinkInput:
    """The cable `device` is plugged in, or pulled out."""

    device: str
    up: bool


@dataclass(frozen=True, slots=True)
class FaultsInput:
    """From now on the cable `device` is as bad as this; see devices.network.faults.Faults."""

    device: str
    loss: int = 0
    duplicate: int = 0
    reorder: int = 0
    delay: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for what in ("loss", "duplicate", "reorder"):
            if not 0 <= getattr(self, what) <= MILLION:
                raise ValueError(f"{what} is of a million frames, not {getattr(self, what)}")
        if not 0 <= self.delay <= LONGEST_DELAY or not 0 <= self.seed < 1 << 64:
            raise ValueError("a delay is at most a minute, in nanoseconds, and a seed has 64 bits")
