"""What reaches a cable from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devices.network.frame import is_frame

MILLION = 1_000_000
MOST_TOGETHER = 64
_LENGTH = 4
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
class FramesInput:
    """Several come at one instant, one after the other.

    `data` has each behind its length: 4 bytes, big-endian.
    """

    device: str
    data: bytes

    def __post_init__(self) -> None:
        frames = list(self.frames())
        if not 0 < len(frames) <= MOST_TOGETHER:
            raise ValueError(f"frames that come together are up to {MOST_TOGETHER}, not {len(frames)}")
        for frame in frames:
            if not is_frame(frame):
                raise ValueError(f"{len(frame)} bytes are no frame")

    def frames(self) -> Iterator[bytes]:
        """Raises ValueError where one is shorter than it says."""
        at, data = 0, self.data
        while at < len(data):
            start = at + _LENGTH
            at = start + int.from_bytes(data[at:start], "big")
            if at > len(data):
                raise ValueError("the last frame is not whole")
            yield data[start:at]


def together(device: str, frames: Sequence[bytes]) -> FrameInput | FramesInput:
    """The input by which they come. Raises ValueError."""
    if len(frames) == 1:
        return FrameInput(device, frames[0])
    return FramesInput(device, b"".join([len(frame).to_bytes(_LENGTH, "big") + frame for frame in frames]))


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
