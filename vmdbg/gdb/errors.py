"""Our errors as the stub's: the client's user reads their text."""

from __future__ import annotations

import re
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
        raise TargetError(in_gdbs_words(str(error))) from error


_COMMAND = re.compile(r"`([a-z][a-z-]*)")


def in_gdbs_words(text: str) -> str:
    """Commands that a message names are the prompt's: gdb has them behind `monitor`."""
    return _COMMAND.sub(r"`monitor \1", text)
