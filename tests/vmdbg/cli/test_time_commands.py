"""record, replay, save, run --from, query and script, as their users type them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.build import assemble, sample_kernel
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, errors, vmdbg
from vmdbg.cli.main import main

PROMPT = "sample> "


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: bytes
    stderr: str


Call = Callable[..., Done]


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """`vmdbg` in this process, for commands that read no input: processes take long to start."""

    def call(*arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Done(code, out, err.decode())

    return call


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's demonstration, a command, and the power switched off."""
    path = tmp_path_factory.mktemp("time") / "sample.rec"
    done = vmdbg("record", path, "--memory", "16M", typed=b"ticks\npoweroff\n")
    assert done.returncode == 0, done.stderr
    return path


def test_replay_prints_what_was_printed_and_verifies(call: Call, recording: Path) -> None:
    done = call("replay", recording, "--verify")
    assert done.returncode == 0
    assert b"sample> ticks\r\n" in done.stdout
    assert "1 of 1 digests agree" in done.stderr
    assert "the recording ends at tick" in done.stderr


@pytest.mark.parametrize("command", [("replay", "--verify", "--quiet"), ("run", "--stop-at", "1", "--from")])
def test_a_recording_of_another_build_is_warned_of_and_replays(
    call: Call, recording: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("vmdbg.recording.meta.build_fingerprint", lambda: "0123456789ab")
    done = call(*command, recording)
    assert done.returncode == 0
    assert "warning" in done.stderr
    assert "was made by another build of vmdbg" in done.stderr


def stopped_at(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stderr.rsplit("stopped at tick ", 1)[1].strip()


@pytest.mark.parametrize(
    "where", ["1000000", "1m", "0xF4240", "0.3%", "start", "end", "exception", "exception:14#2", "hit:printk#3"]
)
def test_every_kind_of_mark_leads_somewhere(call: Call, recording: Path, where: str) -> None:
    place = stopped_at(call("replay", recording, "--quiet", "--to", where, "--symbols", sample_kernel()))
    if where in ("1000000", "1m", "0xF4240"):
        assert 1_000_000 <= int(place) < 1_000_015
    if where.startswith("exception"):
        assert place.endswith("+1")


def test_replay_to_a_text_ends_with_it(call: Call, recording: Path) -> None:
    done = call("replay", recording, "--to", f'"{PROMPT}"')
    assert done.stdout.endswith(PROMPT.encode() + b"\n")
    assert stopped_at(done).isdigit()


def test_digests_are_those_of_the_first_run(call: Call, recording: Path) -> None:
    at = ("--serial", "none", "--memory", "16M", "--stop-at", "900000")
    first = json.loads(call("run", *at, "--digest", "-").stdout)
    again = json.loads(call("replay", recording, "--quiet", "--to", "900000", "--digest", "-").stdout)
    assert again == first


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("replay", "{}", "--to", "nowhere at all"), "names no instant"),
        (("replay", "{}", "--to", '"never said"'), "the console never had 'never said'"),
        (("replay", "{}", "--to", "99G"), "after the end of the history"),
        (("replay", "{}", "--to", "exception#100000"), "exceptions in the history"),
        (("replay", "{}", "--to", "hit:no_such_symbol"), "no_such_symbol"),
        (("replay", "/no/such/file"), "cannot read /no/such/file"),
        (("replay", __file__), "no vmdbg recording or snapshot"),
        (("save", "{}", "{}"), "exists already"),
        (("record", "{}"), "exists already"),
        (("record", "a", "--record", "b"), "named twice"),
        (("run", "--from", "{}", "--kernel", "k"), "leave out --kernel"),
        (("query", "{}", "writes", "no_such_symbol"), "no_such_symbol"),
        (("query", "{}", "writes", "0", "0"), "no number of bytes to look at"),
        (("query", "{}", "diff", "start", "99G"), "after the end"),
        (("script", "/no/such/script.py"), "there is no script"),
    ],
)
def test_mistakes_are_one_clear_line(call: Call, recording: Path, arguments: tuple[str, ...], what: str) -> None:
    done = call(*(argument.format(recording) for argument in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("vmdbg: error: ")
    assert done.stderr.count("\n") == 1
    assert what in done.stderr


def test_a_snapshot_goes_on_where_it_was_taken(recording: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "s"
    assert vmdbg("save", recording, snapshot, "--at", f'"{PROMPT}"').returncode == 0
    done = vmdbg("run", "--from", snapshot, "--record", tmp_path / "r", typed=b"ticks\npoweroff\n")
    assert done.returncode == 0
    assert b"ticks\r\n" in done.stdout
    again = vmdbg("replay", tmp_path / "r", "--verify")
    assert re.search(r"(\d+) of \1 digests agree", errors(again))
    assert again.stdout == done.stdout


def test_a_script_of_debugger_commands_on_a_recording(call: Call, recording: Path) -> None:
    commands = ("goto exception:14", "reverse-stepi", "stepi", "when")
    done = call("replay", recording, "--quiet", *(word for command in commands for word in ("-x", command)))
    assert done.returncode == 0
    assert b"this is the past" in done.stdout
    failed = call("replay", recording, "--quiet", "-x", "set rax = 1")
    assert failed.returncode == 2
    assert "fork" in failed.stderr


def rows(call: Call, recording: Path, *question: str) -> list[dict[str, object]]:
    done = call("query", recording, "--symbols", sample_kernel(), *question, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        (("writes", "ticks"), {"pc", "old", "new"}),
        (("reads", "ticks"), {"pc", "old"}),
        (("accesses", "ticks"), {"physical", "access"}),
        (("executions", "printk"), {"rsp", "cr3"}),
        (("calls", "printk", "--arguments", "2"), {"caller", "arguments", "value"}),
        (("syscalls",), {"number", "arguments", "value"}),
        (("exceptions", "14"), {"vector", "error_code", "cr2"}),
        (("interrupts",), {"vector", "pc"}),
        (("ports", "0x3f8"), {"port", "value"}),
        (("cr3",), {"old", "new"}),
        (("console",), {"text"}),
    ],
    ids=lambda question: question[0] if isinstance(question, tuple) else "",
)
def test_every_question_has_rows(call: Call, recording: Path, question: tuple[str, ...], fields: set[str]) -> None:
    found = rows(call, recording, *question)
    assert found
    assert all(fields | {"position"} <= row.keys() for row in found)


def test_rows_are_chosen_by_a_condition_counted_and_written_as_csv(call: Call, recording: Path) -> None:
    calls = rows(call, recording, "calls", "printk", "--arguments", "1")
    wanted = calls[0]["arguments"]
    assert isinstance(wanted, list)
    chosen = [row for row in calls if row["arguments"] == wanted]
    assert rows(call, recording, "calls", "printk", "--arguments", "1", "--if", f"rdi == {wanted[0]}") == chosen
    counts = rows(call, recording, "calls", "printk", "--count-by", "function")
    assert [(row["what"], row["count"]) for row in counts] == [("printk", len(calls))]
    done = call("query", recording, "--symbols", sample_kernel(), "calls", "printk", "--csv")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("position,function,caller,arguments")
    assert len(lines) == 1 + len(calls)
    callers = rows(call, recording, "calls", "printk", "--count-by", "caller")
    assert ("boot_info_print" in [row["what"] for row in callers], len(callers) > 2) == (True, True)
    for words, answer in ((("--if", "no_such"), "no_such"), (("--count-by", "moon"), "no 'moon' to count by")):
        failed = call("query", recording, "--symbols", sample_kernel(), "calls", "printk", *words)
        assert failed.returncode == 2
        assert answer in failed.stderr
    assert "no operating system that vmdbg knows" in call("query", recording, "wakeups").stderr
    assert sum(int(str(row["count"])) for row in rows(call, recording, "profile", "--every", "10000")) > 100


def test_who_wrote_is_the_last_of_the_writes(call: Call, recording: Path) -> None:
    writes = rows(call, recording, "writes", "ticks")
    assert rows(call, recording, "who-wrote", "ticks") == writes[-1:]
    assert rows(call, recording, "who-wrote", "ticks", "--before", str(writes[1]["position"])) == [writes[1]]
    assert rows(call, recording, "who-wrote", "ticks", "--before", "hit:printk") == []


def test_a_table_has_a_head_and_says_when_it_is_empty(call: Call, recording: Path) -> None:
    table = call("query", recording, "console").stdout.decode().splitlines()
    assert table[0].split() == ["position", "port", "text"]
    assert any(PROMPT + "ticks" in line for line in table)
    assert call("query", recording, "ports", "0xfff0").stdout == b"it never happened\n"
    assert b"0 bytes in 0 pieces" in call("query", recording, "diff", "1000", "1000").stdout
    assert b"rax" in call("query", recording, "diff", "1000", "1100").stdout


def test_a_recording_that_was_killed_replays_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    with subprocess.Popen(
        [*COMMAND, "record", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        seen = b""
        while PROMPT.encode() not in seen:
            seen += process.stdout.read1(4096)
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)
    done = vmdbg("replay", path, "--verify")
    assert done.returncode == 0
    assert "was not ended properly: its history is known up to tick" in errors(done)


def test_a_question_is_answered_as_at_the_prompt(call: Call, recording: Path) -> None:
    limit = ("--limit", "3")
    for words in (("ports", "0x3f8", *limit), ("exceptions", "#PF", "--count-by", "vector"), ("diff", "1000", *limit)):
        asked = call("query", recording, *words)
        at_prompt = call("replay", recording, "--quiet", "--to", "end", "-x", f"query {' '.join(words)}")
        assert asked.stdout == at_prompt.stdout
        as_json = call("query", recording, *words, "--json")
        prompted = call("replay", recording, "--quiet", "--to", "end", "-x", f"query {' '.join(words)} --json")
        assert json.loads(as_json.stdout) == json.loads(prompted.stdout)


def test_options_may_stand_anywhere_and_all_rows_are_shown(call: Call, recording: Path) -> None:
    several = call("query", "--json", recording, "ports", "--workers", "1", "0x3f8").stdout
    assert json.loads(several) == rows(call, recording, "ports", "0x3f8")
    assert len(call("query", recording, "ports", "0x3f8").stdout.splitlines()) == len(json.loads(several)) + 1
    chosen = rows(call, recording, "calls", "printk", "if", "rdi", "==", "0")
    assert chosen == rows(call, recording, "calls", "printk", "--if", "rdi == 0")


def test_a_replay_shows_the_guests_console_alone_as_the_run_did(call: Call, tmp_path: Path) -> None:
    """Not a letter of it and one of the debug console's in turn: from beginning to end, and as commands go there."""
    code = """
        mov si, text
    next:
        lodsb
        mov dx, 3f8h
        out dx, al
        out 0e9h, al
        out 0e9h, al
        cmp al, 10
        jne next
        cli
        hlt
    text: db "what the console has", 10
    times 510 - ($ - $$) db 0
        dw 0xaa55
    """
    floppy, path = tmp_path / "floppy.img", tmp_path / "it.vmdbg"
    floppy.write_bytes(assemble(code, bits=16, origin=0x7C00))
    done = call("record", path, floppy, "--machine", "plain", "--serial", "stdio")
    assert done.stdout == b"what the console has\n", done.stderr
    assert call("replay", path).stdout == done.stdout
    shown = call("replay", path, "-x", "goto end", "-x", "goto start", "-x", "continue").stdout
    assert shown.startswith(done.stdout)
    assert b"wwhhaatt" not in shown
