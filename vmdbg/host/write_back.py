"""Disks with snapshot=off at the end of a run: what their images have now."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.errors import UserError
from vmdbg.machine.machine import Machine


def settle_images(machine: Machine, *, past: bool) -> Iterator[str]:
    """Have the host keep what was written, and say what that is. `past`: the machine stands before the end.

    Raises UserError, once all have been tried.
    """
    failed: UserError | None = None
    for medium in machine.media:
        follower = medium.follower
        if follower is None:
            continue
        try:
            medium.image.flush()
        except UserError as error:
            failed = failed or error
            continue
        size = f"{follower.written:,} bytes written to {medium.name}"
        where = f", as it was at the end of the history, not here at tick {machine.clock}" if past else ""
        yield f"{follower.disk}: {size}{where}"
    if failed is not None:
        raise failed
