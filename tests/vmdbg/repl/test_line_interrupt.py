"""A SIGINT ends the line that is read, whenever it comes, and the next line is read as ever."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import application, create_app_session, get_app
from prompt_toolkit.eventloop import new_eventloop_with_inputhook
from prompt_toolkit.eventloop.inputhook import InputHook, InputHookContext
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import DummyOutput

from vmdbg.repl.line_interrupt import LineInterrupt


def strike() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def nothing() -> None:
    pass


def read(typed: str, *, before: Callable[[], None] = nothing, waiting: Callable[[], None] = nothing) -> str:
    """A line; `before` its loop runs and whenever it is `waiting` something is done."""
    interrupt = LineInterrupt()
    keys = KeyBindings()

    @keys.add("f2")
    def _(event: KeyPressEvent) -> None:
        strike()
        event.app.current_buffer.validate_and_handle()

    def hook(context: InputHookContext) -> None:
        while not context.input_is_ready():
            if interrupt.ends(get_app()):
                return
            waiting()

    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        session: PromptSession[str] = PromptSession(key_bindings=keys)
        pipe.send_text(typed)
        with interrupt.noted():
            before()
            return session.prompt("> ", inputhook=hook, handle_sigint=False)


@pytest.fixture
def after_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SIGINT when the loop of a line is closed."""

    def make(hook: InputHook) -> asyncio.AbstractEventLoop:
        loop = new_eventloop_with_inputhook(hook)
        close = loop.close

        def closing() -> None:
            close()
            strike()

        monkeypatch.setattr(loop, "close", closing)
        return loop

    monkeypatch.setattr(application, "new_eventloop_with_inputhook", make)


def test_without_one_the_line_is_what_was_typed() -> None:
    assert read("line\r") == "line"


def test_before_the_line_is_read() -> None:
    with pytest.raises(KeyboardInterrupt):
        read("", before=strike)
    assert read("next\r") == "next"


def test_while_it_is_read() -> None:
    with pytest.raises(KeyboardInterrupt):
        read("half a li", waiting=strike)
    assert read("next\r") == "next"


def test_as_it_ends() -> None:
    with pytest.raises(KeyboardInterrupt):
        read("line\x1bOQ")
    assert read("next\r") == "next"


@pytest.mark.usefixtures("after_the_loop")
def test_when_its_loop_is_closed() -> None:
    with pytest.raises(KeyboardInterrupt):
        read("line\r")
    with pytest.raises(KeyboardInterrupt):
        read("next\r")
