"""A history as a film: what a monitor showed, so many pictures a second, as an animated GIF or PNG."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devices.display.frame import Frame
from devices.seam import NANOSECONDS_PER_SECOND
from vmdbg.errors import UserError
from vmdbg.machine.screen import appearance_of, frame_of
from vmdbg.machine.snapshot import Position
from vmdbg.session.new_files import written_new
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = (".gif", ".png")
MOST_FPS, LEAST_FPS = 100, 0.01
MOST_BYTES = 400_000_000
"""Of all pictures together: what a film is made from is in memory."""
LONGEST_PICTURE = 60_000
"""Milliseconds; formats have 16 bits for them."""
Progress = Callable[[float], None]
"""Told what part is done."""


@dataclass(frozen=True, slots=True)
class _Shot:
    """A picture, packed, and how long it is shown in milliseconds."""

    width: int
    height: int
    packed: bytes
    duration: int


def film(
    timeline: Timeline, path: Path, *, fps: float, first: Position, last: Position, on_progress: Progress
) -> tuple[int, int]:
    """Write what was shown from `first` to `last` to a new file; how many pictures it has, and its milliseconds.

    What blinks is shown as at the beginning of each picture. Leaves the timeline somewhere. Raises UserError.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"films are GIF or PNG files, and {path} is neither: name it FILE.gif or FILE.png")
    if not LEAST_FPS <= fps <= MOST_FPS:
        raise UserError(f"{fps:g} pictures a second are not between {LEAST_FPS} and {MOST_FPS}")
    shots = list(_shots(timeline, round(NANOSECONDS_PER_SECOND / fps), first, last, on_progress))
    width, height = max(shot.width for shot in shots), max(shot.height for shot in shots)
    most = MOST_BYTES // (width * height * (1 if path.suffix.lower() == ".gif" else 3))
    if len(shots) > most:
        raise UserError(
            f"that are {len(shots)} pictures of {width}x{height}, and no more than {most} go into a film: "
            "take fewer with --fps, or a part with --from and --to"
        )
    images = [_image(shot, width, height, path.suffix.lower()) for shot in shots]
    with written_new(path) as file:
        images[0].save(
            file,
            "GIF" if path.suffix.lower() == ".gif" else "PNG",
            save_all=True,
            append_images=images[1:],
            duration=[shot.duration for shot in shots],
            loop=0,
        )
    return len(shots), sum(shot.duration for shot in shots)


def _shots(timeline: Timeline, step: int, first: Position, last: Position, on_progress: Progress) -> Iterator[_Shot]:
    """Different ones, each for as long as it stood."""
    before, frame, since = None, None, first.tick
    at = first
    while True:
        timeline.seek(at)
        on_progress((at.tick - first.tick) / max(1, last.tick - first.tick))
        appearance = appearance_of(timeline.machine)
        if appearance != before:
            if frame is not None:
                yield from _lasting(frame, at.tick - since)
            before, frame, since = appearance, frame_of(timeline.machine), at.tick
        if at >= last:
            break
        at = min(Position(Tick(at.tick + step)), last)
    assert frame is not None
    yield from _lasting(frame, max(at.tick - since, step))


def _lasting(frame: Frame, ticks: int) -> Iterator[_Shot]:
    packed, left = zlib.compress(frame.rgb, 1), max(1, ticks // 1_000_000)
    while left > 0:
        duration = min(left, LONGEST_PICTURE)
        yield _Shot(frame.width, frame.height, packed, duration)
        left -= duration


def _image(shot: _Shot, width: int, height: int, suffix: str) -> Image:
    """In the middle of the largest, for all pictures of a file have one size."""
    from PIL import Image

    image = Image.frombytes("RGB", (shot.width, shot.height), zlib.decompress(shot.packed))
    if image.size != (width, height):
        canvas = Image.new("RGB", (width, height))
        canvas.paste(image, ((width - shot.width) // 2, (height - shot.height) // 2))
        image = canvas
    return image.quantize(256, dither=Image.Dither.NONE) if suffix == ".gif" else image
