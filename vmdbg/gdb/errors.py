"""Our errors as the stub's: the client's user reads their text."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from types import TracebackType

from gdbstub.errors import TargetError
from vmdbg.errors import VmdbgError


class _Refusals:
    """A generator would cost each step as much again as what it does."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, VmdbgError):
            raise TargetError(in_gdbs_words(str(error))) from error


_REFUSALS = _Refusals()


def refusals() -> AbstractContextManager[None]:
    """Turn a VmdbgError into a TargetError."""
    return _REFUSALS


_COMMAND = re.compile(r"`([a-z][a-z-]*)")


def in_gdbs_words(text: str) -> str:
    """Commands that a message names are the prompt's: gdb has them behind `monitor`."""
    return _COMMAND.sub(r"`monitor \1", text)
