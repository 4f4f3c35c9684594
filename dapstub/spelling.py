"""Lines and paths as the client counts and spells them (InitializeRequestArguments)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from dapstub import requests, values
from dapstub.errors import BadRequestError

Located = TypeVar(
    "Located", values.StackFrame, values.Breakpoint, values.GotoTarget, values.Instruction, values.BreakpointPlace
)
_SOURCES = ("source", "location")


class Spelling:
    """Of one client. The target counts lines from 1, and has paths."""

    def __init__(self, client: requests.Initialize | None = None) -> None:
        self._shift = 0 if client is None or client.lines_from_1 else 1
        self._column_shift = 0 if client is None or client.columns_from_1 else 1
        self._uris = client is not None and client.path_format == "uri"

    @property
    def is_plain(self) -> bool:
        """Whether the client has it as the target."""
        return not (self._shift or self._column_shift or self._uris)

    def line_in(self, line: int) -> int:
        return line + self._shift

    def source_in(self, source: requests.SourceName) -> requests.SourceName:
        """Raises BadRequestError for what is no file's URI."""
        if not self._uris or not source.path:
            return source
        parts = urlsplit(source.path)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise BadRequestError(f"{source.path} is no file of this host")
        return dataclasses.replace(source, path=unquote(parts.path))

    def out(self, found: Sequence[Located]) -> Sequence[Located]:
        """As the client wants to read them."""
        return found if self.is_plain else [self._out(one) for one in found]

    def source_out(self, source: values.SourceFile) -> values.SourceFile:
        if not self._uris or source.path is None:
            return source
        return dataclasses.replace(source, path=f"file://{quote(source.path)}")

    def _out(self, one: Located) -> Located:
        changes: dict[str, object] = {}
        if (line := getattr(one, "line", None)) is not None:
            changes["line"] = max(0, line - self._shift)
        if (column := getattr(one, "column", None)) is not None:
            changes["column"] = max(0, column - self._column_shift)
        for name in _SOURCES:
            source = getattr(one, name, None)
            if source is not None:
                changes[name] = self.source_out(source)
        return dataclasses.replace(one, **changes)  # type: ignore[arg-type]  # names that were looked up
