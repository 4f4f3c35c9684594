"""Images as media of a machine, by names that people know them by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from vmdbg.document.printable import printable
from vmdbg.images.host_file import identity_of
from vmdbg.images.image import Image
from vmdbg.images.sectors import ImageSectors
from vmdbg.machine.media import Media


def add_image(image: Image, path: str, media: Media) -> str:
    """Have it among the media from now on; returns its name there."""
    name = free_name(path, media)
    media.add(name, ImageSectors(image))
    return name


def name_of(path: str, media: Media) -> str | None:
    """Of the medium that is an image of the file there, unchanged since but by ourselves. It is not opened for that:
    of one that is being written that would fail.
    """
    identity = identity_of(path)
    for medium in media:
        there = medium.image
        if isinstance(there, ImageSectors) and there.image.identity == identity:
            return medium.name
    return None


def free_name(path: str, media: Media) -> str:
    """The file's, with a number if there is one already."""
    plain = printable(PurePath(path).name) or "image"
    return next(name for name in _names(plain) if media.find(name) is None)


def _names(plain: str) -> Iterator[str]:
    yield plain
    number = 2
    while True:
        yield f"{plain} ({number})"
        number += 1
