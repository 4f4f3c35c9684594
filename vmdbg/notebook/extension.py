"""What `%load_ext vmdbg` does to an IPython."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from devices.display.frame import Frame
from vmdbg.api.guest import Guest
from vmdbg.document.document import Document
from vmdbg.document.html import render_html
from vmdbg.document.lanes import Chart
from vmdbg.document.lanes_svg import svg
from vmdbg.document.strip import Strip
from vmdbg.document.strip_svg import svg as strip_svg
from vmdbg.document.terminal_graphics import png
from vmdbg.errors import UserError, VmdbgError
from vmdbg.notebook.rows import rows_html, to_pandas

MAGIC = "vmdbg"


class Formatter(Protocol):
    def for_type(self, kind: type, show: Callable[[Any], object]) -> object: ...


class Shell(Protocol):
    """What of IPython's InteractiveShell is used."""

    user_ns: MutableMapping[str, object]
    display_formatter: Any  # its formatters are traits, which have no types

    def register_magic_function(self, func: Callable[[str], object], magic_kind: str, magic_name: str) -> None: ...


def load(shell: Shell) -> None:
    """`%vmdbg`, the looks of documents, rows, screens, charts and strips, and to_pandas()."""
    formatters = shell.display_formatter.formatters
    html: Formatter = formatters["text/html"]
    html.for_type(list, rows_html)
    html.for_type(Document, render_html)
    pictures: Formatter = formatters["image/png"]
    pictures.for_type(Frame, png)
    drawings: Formatter = formatters["image/svg+xml"]
    drawings.for_type(Chart, lambda chart: svg(chart, ""))
    drawings.for_type(Strip, strip_svg)
    shell.user_ns.setdefault("to_pandas", to_pandas)
    shell.register_magic_function(lambda line: _answered(shell, line), "line", MAGIC)


def _answered(shell: Shell, line: str) -> Document | None:
    """What a command answers; what is wrong is said in its own words, without a traceback."""
    try:
        guest, command = _asked(shell, line)
        return guest.answer(command)
    except VmdbgError as error:
        print(f"error: {error}")
        return None


def _asked(shell: Shell, line: str) -> tuple[Guest, str]:
    """`-g NAME` says which of several guests is meant. Raises UserError."""
    words = line.strip()
    guests = {name: one for name, one in shell.user_ns.items() if isinstance(one, Guest) and not name.startswith("_")}
    if words.startswith("-g"):
        name, _, words = words.removeprefix("-g").strip().partition(" ")
        if name not in guests:
            raise UserError(f"no guest is called {name!r}; there are: {', '.join(guests) or 'none'}")
        return guests[name], words
    if "guest" in guests:
        return guests["guest"], words
    if len({id(one) for one in guests.values()}) != 1:
        named = ", ".join(guests)
        raise UserError(
            f"which guest? {named}: %{MAGIC} -g NAME COMMAND" if guests else "there is no guest: guest = vmdbg.launch()"
        )
    return next(iter(guests.values())), words
