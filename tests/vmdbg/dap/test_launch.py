"""What an editor may boot or open, and what it is told where that cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.vmdbg.dap.editor import RefusedError, own_debugger
from vmdbg.dap.launch_words import words_of
from vmdbg.dap.settings import settings_of
from vmdbg.errors import UserError

LOOP = """
; org 7c00h
    xor ax, ax
.again:
    inc ax
    jmp .again
    times 510-($-$$) db 0
    dw 0aa55h
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "x", "type": "vmdbg", "request": "launch", "__sessionId": "1", "stopOnEntry": True}, []),
        ({"kernel": "k", "memory": "1G", "cpus": 4}, ["--kernel=k", "--memory=1G", "--cpus=4"]),
        ({"noReboot": True, "viaSetup": False, "initrd": None}, ["--no-reboot"]),
        ({"disk": ["a,bus=ide", "b"], "program": "boot.img"}, ["--disk=a,bus=ide", "--disk=b", "boot.img"]),
        ({"args": ["--stop-at", "5"], "recording": "r.rec"}, ["--stop-at", "5", "r.rec"]),
        ({"append": "--quiet a=b"}, ["--append=--quiet a=b"]),
    ],
)
def test_options_of_the_command_line_are_members_of_the_launch_request(
    arguments: dict[str, object], words: list[str]
) -> None:
    assert words_of(arguments) == words  # type: ignore[arg-type]  # JSON


@pytest.mark.parametrize("arguments", [{"--kernel": "x"}, {"kernel": {"x": 1}}, {"disk": [[1]]}, {"args": [1]}])
def test_what_is_no_option_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UserError):
        words_of(arguments)  # type: ignore[arg-type]  # JSON


def test_the_rest_is_for_the_front_end() -> None:
    made = settings_of({"sourceMap": {"/build/": "/src/"}, "symbols": "a.elf", "commands": ["catch cr3"]})
    assert (dict(made.source_map), made.symbols, made.commands) == ({"/build/": "/src/"}, ("a.elf",), ("catch cr3",))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": "/nonexistent/kernel"}, "/nonexistent/kernel"),
        ({"noSuchOption": "x"}, "noSuchOption is no option of `vmdbg run`"),
        ({"recording": "/dev/null", "noReboot": True}, "noReboot is no option of `vmdbg replay`"),
        ({"memory": "lots"}, "lots"),
        ({"recording": "/nonexistent.rec"}, "/nonexistent.rec"),
        ({"stopOnEntry": "yes"}, "stopOnEntry"),
        ({"symbols": ["/nonexistent.elf"]}, "/nonexistent.elf"),
        ({"commands": ["nosuchcommand"]}, "nosuchcommand"),
    ],
)
def test_a_launch_that_cannot_be_says_why_and_the_process_ends_with_the_editor(
    arguments: dict[str, object], words: str
) -> None:
    with own_debugger() as editor:
        with pytest.raises(RefusedError, match=words):
            editor.begin(**arguments)
        editor.ask("disconnect")
        editor.closed()


def test_an_editor_that_launches_again_after_that_is_answered() -> None:
    with own_debugger() as editor:
        with pytest.raises(RefusedError, match="No such file"):
            editor.begin(kernel="/nonexistent")
        with pytest.raises(RefusedError, match="begin another"):
            editor.ask("launch")
        with pytest.raises(RefusedError, match="comes first"):
            editor.ask("threads")
        editor.ask("disconnect")
        editor.closed()


def test_a_boot_sector_without_any_source_is_debugged_by_its_instructions(tmp_path: Path) -> None:
    image = tmp_path / "boot.img"
    image.write_bytes(assemble(LOOP))
    with own_debugger() as editor:
        editor.begin(program=str(image), loadAddress="0x7c00", mode="real", stopOnEntry=True)
        editor.ask("configurationDone")
        editor.stopped()
        frame = editor.top()
        assert frame["source"]["sourceReference"]
        assert frame["instructionPointerReference"] == "0x7c00"
        editor.go("next")
        editor.go("next", granularity="instruction")
        points = [{"instructionReference": "0x7c02"}]
        assert editor.ask("setInstructionBreakpoints", breakpoints=points)["breakpoints"][0]["verified"]
        assert editor.go("continue")["reason"] == "instruction breakpoint"
        editor.go("stepBack")


def test_a_recording_is_opened_and_gone_through_both_ways(tmp_path: Path) -> None:
    made = tmp_path / "sample.rec"
    command = [sys.executable, "-m", "vmdbg", "record", str(made), "--append", "autostop"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    with own_debugger() as editor:
        editor.begin(recording=str(made))
        editor.ask("configurationDone")
        editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
        if not any(name == "stopped" for name, _ in editor.events):
            editor.ask("pause", threadId=1)
        editor.stopped()
        editor.command("goto end")
        editor.stopped()
        assert editor.go("reverseContinue")["reason"] == "function breakpoint"
        with pytest.raises(RefusedError, match="fork"):
            editor.ask("setExpression", expression="rax", value="1")


def test_the_sample_is_what_an_editor_gets_that_names_nothing_and_it_runs_at_once() -> None:
    with own_debugger() as editor:
        editor.begin()
        editor.ask("configurationDone")
        editor.until_output("vmdbg sample kernel")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("running", [False, True])
def test_a_signal_ends_it_within_a_second_whatever_it_does(number: signal.Signals, running: bool) -> None:
    with own_debugger() as editor:
        editor.begin(stopOnEntry=not running)
        editor.ask("configurationDone")
        if running:
            editor.until_output("vmdbg")
        assert editor.process is not None
        editor.process.send_signal(number)
        editor.process.wait(timeout=10)
        editor.closed()


def test_before_it_has_a_guest_a_signal_or_the_end_of_the_editor_ends_it_too() -> None:
    with own_debugger() as editor:
        editor.ask("initialize", adapterID="x")
        assert editor.process is not None
        editor.process.send_signal(signal.SIGTERM)
        assert editor.process.wait(timeout=10) == 128 + signal.SIGTERM
    with own_debugger() as editor:
        assert editor.process is not None
        assert editor.process.stdin is not None
        editor.process.stdin.close()
        assert editor.process.wait(timeout=10) == 0


def test_an_editor_that_is_gone_ends_a_guest_that_runs() -> None:
    with own_debugger() as editor:
        editor.begin()
        editor.ask("configurationDone")
        editor.until_output("vmdbg")
        assert editor.process is not None
        assert editor.process.stdin is not None
        assert editor.process.stdout is not None
        editor.process.stdin.close()
        editor.process.stdout.close()
        editor.process.wait(timeout=10)


def test_at_a_terminal_one_is_told_what_it_is_for() -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vmdbg", "dap"], stdin=follower, capture_output=True, timeout=30, check=False
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 2
    assert b"started by an editor" in done.stderr
    assert b"Traceback" not in done.stderr


def test_nothing_but_the_protocol_is_on_its_output() -> None:
    """What else vmdbg has to say is on its stderr: the editor's reader would raise for it."""
    with own_debugger() as editor:
        editor.begin(args=["--trace-io"], stopOnEntry=True)
        editor.ask("configurationDone")
        editor.command("help")
        editor.ask("disconnect")
        editor.closed()


def test_the_machines_page_is_told_to_its_editor() -> None:
    pytest.importorskip("aiohttp")
    with own_debugger() as editor:
        editor.begin(stopOnEntry=True, web="0")
        editor.until_output("the page for browsers: http://127.0.0.1:")
