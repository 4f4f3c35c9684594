"""Themes: how each kind of text looks. Source of NO_COLOR: no-color.org."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from vmdbg.document.document import Style
from vmdbg.errors import UserError


@dataclass(frozen=True, slots=True)
class Theme:
    """Looks by kind of text, in the words of rich's styles; `pygments` names the style of code and command line."""

    name: str
    looks: Mapping[Style, str]
    pygments: str
    bar: str
    prompt: str


DARK = Theme(
    "dark",
    {
        Style.HEADING: "bold cyan",
        Style.LABEL: "cyan",
        Style.ADDRESS: "blue",
        Style.NUMBER: "",
        Style.SYMBOL: "green",
        Style.MNEMONIC: "bold",
        Style.OPERAND: "",
        Style.STRING: "yellow",
        Style.CHANGED: "bold red",
        Style.CURRENT: "bold yellow",
        Style.GOOD: "bold green",
        Style.BAD: "bold red",
        Style.DIM: "bright_black",
        Style.CODE: "red",
        Style.STACK: "magenta",
        Style.HEAP: "blue",
        Style.SOURCE: "",
    },
    "monokai",
    "bg:#303030 #d0d0d0",
    "bold ansicyan",
)
LIGHT = Theme(
    "light",
    {
        **DARK.looks,
        Style.HEADING: "bold blue",
        Style.LABEL: "blue",
        Style.ADDRESS: "dark_blue",
        Style.SYMBOL: "dark_green",
        Style.STRING: "dark_orange3",
        Style.CURRENT: "bold dark_magenta",
        Style.DIM: "grey50",
    },
    "friendly",
    "bg:#e0e0e0 #202020",
    "bold ansiblue",
)
MONO = Theme(
    "mono",
    {Style.HEADING: "bold", Style.CHANGED: "bold", Style.CURRENT: "bold", Style.BAD: "bold", Style.MNEMONIC: "bold"},
    "bw",
    "reverse",
    "bold",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, MONO)}


def find_theme(name: str) -> Theme:
    """Raises UserError that lists them."""
    theme = THEMES.get(name)
    if theme is None:
        raise UserError(f"there is no theme {name!r}; there are: {', '.join(THEMES)}")
    return theme


def default_theme() -> Theme:
    """Without colours if NO_COLOR is set to anything, or for a terminal that has none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return MONO
    return THEMES.get(os.environ.get("VMDBG_THEME", ""), DARK)
