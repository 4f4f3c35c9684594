"""Our errors as the stub's: the client's user reads their text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gdbstub.errors import TargetError
from vmdbg.errors import VmdbgError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a VmdbgError into a TargetError."""
    try:
        yield
    except VmdbgError as error:
        raise TargetError(str(error)) from error
