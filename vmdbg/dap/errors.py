"""Refusals of ours as the protocol's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dapstub.errors import TargetError
from vmdbg.errors import VmdbgError


@contextmanager
def refusals() -> Iterator[None]:
    """Inside, an error of ours is an answer to the client."""
    try:
        yield
    except VmdbgError as error:
        raise TargetError(str(error)) from error
