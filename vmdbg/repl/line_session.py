"""A line that is edited: history, completion, colours, keys that are commands. For every prompt of vmdbg."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import BaseStyle, Style, merge_styles
from prompt_toolkit.styles.pygments import style_from_pygments_cls
from pygments.styles import get_style_by_name

from vmdbg.repl.files import history_file
from vmdbg.repl.highlight import CommandLexer
from vmdbg.repl.keys import KeyLine, key_bindings
from vmdbg.repl.themes import Theme

MENU_ROWS = 6

Typed = str | KeyLine


def line_session(
    completer: Completer, bar: Callable[[], AnyFormattedText], output: Output | None = None
) -> PromptSession[Typed]:
    """`output`: the terminal, if it is not to be that of stdout as it comes."""
    path = history_file()
    history: History = FileHistory(str(path)) if path is not None else InMemoryHistory()
    session: PromptSession[Typed] = PromptSession(
        history=history,
        completer=completer,
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        key_bindings=key_bindings(),
        bottom_toolbar=bar,
        lexer=PygmentsLexer(CommandLexer),
        enable_open_in_editor=True,
        reserve_space_for_menu=MENU_ROWS,
        output=output,
    )

    def fit(app: Application[Typed]) -> None:
        """On a terminal of few rows the menu has what the line and the bar leave."""
        session.reserve_space_for_menu = max(0, min(MENU_ROWS, app.output.get_size().rows - 2))

    session.app.before_render += fit
    return session


def style_of(theme: Theme) -> BaseStyle:
    own = Style.from_dict(
        {"prompt": theme.prompt, "bottom-toolbar": f"noreverse {theme.bar}", "bottom-toolbar.text": ""}
    )
    if theme.name == "mono":
        return own
    return merge_styles([style_from_pygments_cls(get_style_by_name(theme.pygments)), own])


def depth_of(theme: Theme) -> ColorDepth | None:
    """None: what the terminal has."""
    return ColorDepth.DEPTH_1_BIT if theme.name == "mono" else None
