"""A recording in the hands of an assistant: the protocol's own client asks."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client

from vmdbg.errors import UserError
from vmdbg.mcp.desk import LONGEST, Desk, bounded

DEADLINE = 120.0
Ask = Callable[..., Awaitable[str]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mcp") / "sample.rec"
    command = [sys.executable, "-m", "vmdbg", "record", str(made), "--append", "autostop"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return made


def asked(what: Callable[[Ask, ClientSession], Awaitable[None]], *options: str) -> None:
    """Have an assistant ask."""

    async def session() -> None:
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "vmdbg", "mcp", *options])
        async with stdio_client(parameters) as (reads, writes), ClientSession(reads, writes) as client:
            await client.initialize()

            async def ask(name: str, **arguments: object) -> str:
                result = await client.call_tool(name, arguments)
                return "".join(getattr(part, "text", "") for part in result.content)

            await what(ask, client)

    async def bounded_session() -> None:
        await asyncio.wait_for(session(), DEADLINE)

    asyncio.run(bounded_session())


def test_an_assistant_opens_a_recording_goes_about_in_it_and_asks(recording: Path) -> None:
    async def what(ask: Ask, client: ClientSession) -> None:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"open_recording", "go", "query", "evaluate", "backtrace", "memory", "console", "screen"} <= tools
        assert "no recording is open" in await ask("backtrace")
        assert "the recording ends at tick" in await ask("open_recording", path=str(recording))
        assert "vmdbg sample kernel" in await ask("console", lines=200)
        assert "at tick 0" in await ask("go", position="start")
        assert "nothing yet" in await ask("console")
        await ask("command", line="tbreak demo_run")
        assert "demo_run" in await ask("command", line="continue")
        assert "kernel_main" in await ask("backtrace")
        assert "0x" in await ask("evaluate", expression="rip")
        assert "rsp" not in await ask("memory", address="rsp", size=32)
        assert "demo_run" in await ask("query", question="calls demo_run")
        assert "'nosuch'" in await ask("evaluate", expression="nosuch")

    asked(what)


def test_what_is_refused_is_an_error_of_the_protocol_and_what_is_answered_is_none(recording: Path) -> None:
    async def what(ask: Ask, client: ClientSession) -> None:
        await ask("open_recording", path=str(recording))
        for name, arguments, words in (
            ("open_recording", {"path": "/nonexistent"}, "cannot read /nonexistent"),
            ("go", {"position": "99999999999999"}, "after the end of the recording"),
            ("command", {"line": "set rax = 1"}, "it changes the guest"),
            ("query", {"question": "nonsense"}, "nonsense"),
            ("evaluate", {"expression": "1/0"}, "division by zero"),
            ("memory", {"address": "rsp", "size": -1}, "cannot be dumped"),
            ("console", {"lines": 0}, "1 or more"),
            ("console", {"lines": -1}, "1 or more"),
        ):
            refused = await client.call_tool(name, arguments)
            assert refused.is_error, name
            assert words in "".join(getattr(part, "text", "") for part in refused.content)
        assert not (await client.call_tool("evaluate", {"expression": "rip"})).is_error

    asked(what)


@pytest.mark.parametrize(
    "line", ["set rax = 1", "fork", "save x.vmdbg", "symbol-file /etc/passwd", "shell id", "dump core x"]
)
def test_nothing_is_changed_and_nothing_of_the_host_is_reached(recording: Path, line: str) -> None:
    desk = Desk()
    desk.open(str(recording))
    try:
        with pytest.raises(UserError):
            desk.command(line)
    finally:
        desk.close()


def test_changes_are_made_where_they_are_allowed_on_a_fork(recording: Path) -> None:
    desk = Desk(changes=True)
    desk.open(str(recording))
    try:
        desk.go("50%")
        desk.command("fork")
        desk.command("set rax = 0x77")
        assert "0x77" in desk.command("print rax")
    finally:
        desk.close()


def test_a_recording_that_is_none_is_said_to_be_none_and_the_open_one_stays(recording: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.rec"
    bad.write_bytes(b"nonsense" * 100)
    desk = Desk()
    desk.open(str(recording))
    try:
        for path in (str(bad), "/nonexistent", ""):
            with pytest.raises(Exception, match=r".") as raised:
                desk.open(path)
            assert type(raised.value).__module__.startswith("vmdbg"), raised.value
        assert "tick" in desk.command("tick")
    finally:
        desk.close()


def test_an_answer_is_cut_with_a_word_where_it_is_too_long() -> None:
    assert bounded("x" * LONGEST) == "x" * LONGEST
    assert bounded("x" * (LONGEST + 5)).endswith("... 5 more characters: ask for less")


def test_the_screen_is_given_as_a_picture(recording: Path) -> None:
    async def what(ask: Ask, client: ClientSession) -> None:
        await ask("open_recording", path=str(recording))
        found = await client.call_tool("screenshot", {})
        (picture,) = found.content
        assert picture.type == "image", picture
        assert picture.mime_type == "image/png"
        assert base64.b64decode(picture.data).startswith(b"\x89PNG")

    asked(what)
