"""Terminals with `vmdbg run --repl` in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vmdbg.conftest import session, shared
from tests.vmdbg.repl.tmux import Tmux

__all__ = ["session", "shared"]

Open = Callable[..., Tmux]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    """A function that starts vmdbg with arguments in a terminal, at its prompt."""
    opened: list[Tmux] = []

    def start(*arguments: str, **environment: str) -> Tmux:
        directory = tmp_path / str(len(opened))
        directory.mkdir()
        terminal = Tmux(directory, arguments, environment)
        opened.append(terminal)
        terminal.wait_for("\nvmdbg>")
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
