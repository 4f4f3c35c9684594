"""A recording that diverges, before every kind of front end: it is told of, and nobody loses the session."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, errors, vmdbg
from tests.vmdbg.dap.editor import served as served_to_editors
from tests.vmdbg.recording.guests import AGREES_AT, record_divergence
from tests.vmdbg.web.browser import served as served_to_browsers
from tests.vmdbg.web.page import joined

DIVERGED = r"the replay diverged .* ram differ\..* the guest stands at tick 10737418\d\d"


@pytest.fixture(scope="module")
def diverging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "diverging.vmdbg"
    record_divergence(path)
    return path


def in_gdb(diverging: Path, *lines: str) -> str:
    """What a real gdb says that is told these lines."""
    command = [*COMMAND, "replay", diverging, "--gdb", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stderr is not None
        found = re.search(rb"target remote (\S+)", process.stderr.readline())
        assert found is not None
        lines = ("set confirm off", f"target remote {found[1].decode()}", *lines, "kill")
        options = [word for line in lines for word in ("-ex", line)]
        client = [*debian_gdb(), "-nx", "-batch", *options]
        said = subprocess.run(client, capture_output=True, timeout=TIMEOUT, text=True, check=False)
        _, rest = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, rest
    return said.stdout + said.stderr


def test_a_real_gdb_is_told_and_goes_on(diverging: Path) -> None:
    there = ("continue", "monitor goto 5m", "reverse-stepi", "p 6*7", "continue", "monitor goto end", "stepi", "p 7*8")
    said = in_gdb(diverging, *there)
    assert len(re.findall(DIVERGED, said)) == 3, said
    assert said.count("received signal SIGTRAP") == 2  # a step ends with that anyway
    assert "$1 = 42" in said
    assert "$2 = 56" in said
    assert "closed" not in said


def test_an_editor_is_told_and_goes_on(diverging: Path) -> None:
    with served_to_editors(front=("replay", str(diverging))) as (editor, process):
        editor.begin(request="attach", stopOnEntry=True)
        editor.ask("configurationDone")
        editor.stopped()
        stop = editor.go("continue")
        assert stop["reason"] == "exception"
        assert re.search(DIVERGED, stop["text"])
        assert re.search(DIVERGED, editor.ask("exceptionInfo", threadId=1)["description"])
        assert editor.go("stepIn", granularity="instruction")["reason"] == "step"
        assert editor.go("reverseContinue")["description"] == "the history starts here"
        assert editor.go("stepIn", granularity="instruction")["reason"] == "step"
        assert process.poll() is None


def test_a_page_is_told_and_goes_on(diverging: Path) -> None:
    with served_to_browsers(str(diverging), command="replay") as (url, process), joined(url) as page:
        page.go("run", move="continue")
        assert re.search(DIVERGED, page.state["reason"])
        page.go("run", move="stepi")
        assert not page.state["reason"]
        assert page.command("print 6*7").endswith("42")
        assert process.poll() is None


def test_a_prompt_is_told_and_goes_on(diverging: Path) -> None:
    done = vmdbg(
        "replay", diverging, "--repl", "--quiet", typed=b"continue\ngoto end\nprint 6*7\nreverse-stepi\ntime\n"
    )
    said = done.stdout.decode() + errors(done)
    assert len(re.findall(DIVERGED, said)) == 2, said
    assert "42" in said


NOBODY = [(), ("--verify", "--quiet"), ("-x", "continue", "-x", "print 6000*7"), ("--to", "end")]


@pytest.mark.parametrize("words", NOBODY)
def test_where_nobody_can_go_on_it_is_an_error(diverging: Path, words: tuple[str, ...]) -> None:
    done = vmdbg("replay", diverging, *words)
    assert done.returncode == 2
    assert re.search(rf"error: the replay diverged from the recording at or before tick {2 * AGREES_AT}", errors(done))
    assert b"42000" not in done.stdout
