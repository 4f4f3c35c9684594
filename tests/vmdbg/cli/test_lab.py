"""`vmdbg lab`: what a user sees of it."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY, require
from tests.vmdbg.lab.couriers import LETTERS, courier_image
from vmdbg.api.lab_recording import LabRecording
from vmdbg.errors import RecordingError, UserError


def _plan(folder: Path, more: str = "") -> Path:
    path = folder / "two.toml"
    machines = "".join(
        f'[machines.{name}]\nkernel = "{courier_image(starts=starts)}"\nmemory = "2M"\n'
        for name, starts in (("anna", True), ("ben", False))
    )
    link = '[[links]]\nname = "null"\nends = ["anna.com2", "ben.com2"]\nlatency = "100us"\n'
    path.write_text(machines + link + more)
    return path


def _vmdbg(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vmdbg", *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder, and what was printed of the run."""
    folder = tmp_path_factory.mktemp("lab")
    done = _vmdbg("lab", _plan(folder), "--record", folder / "run", "--digest")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "vmdbg: the lab stands at 0.003039 s: all machines have ended\n"
    return folder / "run", done.stdout


def test_it_shows_what_each_machine_writes_and_the_digests(recorded: tuple[Path, str]) -> None:
    *lines, digests = recorded[1].splitlines()
    assert sorted(lines) == [f"anna| {LETTERS[1::2]}", f"ben| {LETTERS[::2]}"]
    assert json.loads(digests)["anna"]["ticks"] == 3038950


def test_a_recording_is_verified_sought_and_asked_as_a_whole(recorded: tuple[Path, str]) -> None:
    commands = [
        "machines",
        "packets 1",
        "links",
        "machine ben",
        "tick",
        "query interrupts --limit 1",
        "goto end",
        "tick",
    ]
    words = [word for command in commands for word in ("-x", command)]
    done = _vmdbg("lab", recorded[0], "--verify", "--to", "2ms", *words)
    assert done.returncode == 0, done.stderr
    assert "anna.vmdbg: 1 of 1 digests agree" in done.stderr
    assert "anna *   2000000" in done.stdout
    assert "ben.com2  0.001992137  anna.com2  0.002092137  1      'r'" in done.stdout
    assert "null  anna.com2  ben.com2  100000 ns  18       0" in done.stdout
    assert "ben" in done.stdout.partition("external")[2]
    assert "2937899" in done.stdout


def test_a_machine_that_is_run_by_hand_stops_where_another_meets_a_breakpoint(tmp_path: Path) -> None:
    lines = ("machine ben", "break *0x7c50", "machine anna", "continue", "machine ben", "tick", "run 1s", "machines")
    done = _vmdbg("lab", _plan(tmp_path), *[word for line in lines for word in ("-x", line)])
    assert done.returncode == 0, done.stderr
    assert "ben has stopped, and the others with it: `machine ben`" in done.stdout
    assert done.stdout.count("ben has stopped, at") == 1


def test_another_future_of_a_recorded_lab_is_live_and_recorded_and_the_old_one_stays(
    recorded: tuple[Path, str], tmp_path: Path
) -> None:
    lines = ("goto 1ms", f"fork {tmp_path / 'other'}", "do cut null", "set $rbx = 7", "run 9ms", "links", "p $rbx")
    done = _vmdbg("lab", recorded[0], *[word for line in lines for word in ("-x", line)], "--digest")
    assert done.returncode == 0, done.stderr
    assert f"the lab is live from 0.001000000 s; {tmp_path / 'other'} records it" in done.stdout
    put, lost = next(line.split()[-2:] for line in done.stdout.splitlines() if line.startswith("null"))
    assert 9 <= int(put) <= 11
    assert lost == "1"
    digests = json.loads(done.stdout.splitlines()[-1])
    for folder, same in ((tmp_path / "other", True), (recorded[0], False)):
        again = _vmdbg("lab", folder, "--verify", "--digest")
        assert again.returncode == 0, again.stderr
        assert (json.loads(again.stdout) == digests) == same


def test_a_live_lab_is_looked_at_in_the_past_and_forked_where_one_of_its_machines_stands(tmp_path: Path) -> None:
    lines = ("run 2ms", "goto 1ms", "tick", "goto 9ms", "machine ben", "reverse-stepi", "fork", "machines")
    done = _vmdbg("lab", _plan(tmp_path), *[word for line in lines for word in ("-x", line)])
    assert "anna, at 0.001000000 s of the lab's clock" in done.stdout
    assert "9000000 is not between 0 and where the lab is, 2000000" in done.stderr
    assert "the lab is live from 0.000" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_fork_is_where_the_lab_is_looked_at_though_that_is_before_the_machine_was_switched_on_again(
    tmp_path: Path,
) -> None:
    lines = ("run 1ms", "do crash ben", "do boot ben", "run 1ms", "machine ben", "goto 0.5ms", "fork", "machines")
    words = [word for line in lines for word in ("-x", line)]
    done = _vmdbg("lab", _plan(tmp_path), "--record", tmp_path / "kept", *words)
    assert done.returncode == 0, done.stderr
    assert "ben, at 0.000500000 s of the lab's clock, before it was switched on, at 0.00100" in done.stdout
    assert "the lab is live from 0.000500" in done.stdout
    assert re.search(r"ben \* +50000\d ", done.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}", "-x", "fork {run}"], "exists already"),
        (["{run}", "-x", "do cut null"], "this is the past: `fork` goes on from here"),
        (["{plan}", "--verify"], "is no recording of a lab: --to and --verify are for one"),
        (["{plan}", "--gdb", "1234", "--repl"], "--gdb and a prompt are not had at once of a lab"),
        (["{plan}", "--gdb", "unix:there"], "a lab takes [HOST:]PORT"),
        (["{plan}", "--until", "soon"], "--until: 'soon' is no time"),
        (["{plan}", "-x", "do cut ropes"], "there is no link 'ropes'; there are: null"),
        (["{plan}", "-x", "machine cat"], "there is no machine 'cat' that is on"),
        (["{run}", "--record", "x"], "is a recording: --record, --until and --one-process are for a file"),
        (["{run}", "--to", "1s"], "is not between 0 and the end"),
        (["nothing.toml"], "cannot read nothing.toml"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    recorded: tuple[Path, str], tmp_path: Path, words: list[str], said: str
) -> None:
    done = _vmdbg("lab", *(word.format(plan=_plan(tmp_path), run=recorded[0]) for word in words))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_index_is_passed_over_line_by_line_and_leads_nowhere(
    recorded: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in recorded[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with open(folder / "index.jsonl", "a") as index:
        index.write('{"type":"life","machine":"anna","born":0,"file":"../../etc/passwd"}\nrubbish\n{"type":"hop"')
    with LabRecording(folder) as recording:
        assert recording.index.damaged == 3
        assert len(recording.passages) == 26
    (folder / "lab.json").write_text("{}")
    with pytest.raises(RecordingError, match=r"lab\.json is damaged"):
        LabRecording(folder)
    (folder / "lab.json").unlink()
    with pytest.raises(UserError, match="is no recording of a lab"):
        LabRecording(folder)


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_machines_and_what_was_recorded_can_be_had(number: signal.Signals, tmp_path: Path) -> None:
    plan = _plan(tmp_path, '[[happenings]]\nat = "1ms"\ndo = "cut null"\n')
    command = [sys.executable, "-u", "-m", "vmdbg", "lab", str(plan), "--record", str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
        index = tmp_path / "run" / "index.jsonl"
        while not (index.exists() and b"cut" in index.read_bytes()):
            assert run.poll() is None
        children = [child for child in _children(run.pid) if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
        run.send_signal(number)
        assert run.wait(20) == 128 + number
    assert len(children) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    with LabRecording(tmp_path / "run") as recording:
        recording.seek(900_000)
        assert recording.machine("ben").tick == 900_000


def test_gdb_is_served_at_every_machine_and_a_signal_ends_all(recorded: tuple[Path, str]) -> None:
    command = [sys.executable, "-m", "vmdbg", "lab", str(recorded[0]), "--to", "2ms", "--gdb", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        said = sorted(run.stderr.readline() for _ in range(2))
        assert [line.partition("127")[0] for line in said] == [
            f"{name}: vmdbg: waiting for gdb: target remote " for name in ("anna", "ben")
        ]
        for line in said:
            with socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2])), 10) as client:
                client.sendall(b"+$?#3f")
                assert client.recv(100).startswith(b"+")
        run.terminate()
        assert run.wait(20) == 128 + signal.SIGTERM


def test_one_gdb_at_both_machines_of_a_live_lab_changes_nothing(recorded: tuple[Path, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmdbg", "lab", str(_plan(tmp_path)), "--gdb", "0", "--digest"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        anna, ben = (run.stderr.readline().split()[-1] for _ in range(2))
        lines = (
            "set pagination off", f"target remote {anna}", "add-inferior -no-connection", "inferior 2",
            f"target remote {ben}", "break *0x7c50", "continue", "stepi 3",
            "info inferiors", "inferior 1", "stepi", "stepi", "delete", "detach", "inferior 2", "detach",
        )  # fmt: skip
        words = [word for line in lines for word in ("-ex", line)]
        done = subprocess.run([require("gdb"), "-nx", "-batch", *words], capture_output=True, text=True, timeout=60)
        found, said = run.communicate(timeout=60)
    assert "Breakpoint 1, 0x" in done.stdout, done.stdout + done.stderr + said
    assert found.splitlines()[-1] == recorded[1].splitlines()[-1]


def test_a_signal_ends_a_lab_under_gdb(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmdbg", "lab", str(_plan(tmp_path)), "--gdb", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert "anna: waiting for gdb" in run.stderr.readline()
        run.terminate()
        assert run.wait(20) == 128 + signal.SIGTERM


def test_a_port_that_is_in_use_is_said(recorded: tuple[Path, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _vmdbg("lab", recorded[0], "--gdb", f"{port}")
    assert done.returncode == 2
    assert f"anna: vmdbg: error: cannot listen for gdb on 127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize("apart", [[], ["--one-process"]])
def test_a_recording_that_cannot_be_written_is_told_and_the_lab_goes_on_without(
    tmp_path: Path, apart: list[str]
) -> None:
    plan = _plan(tmp_path)
    with plan.open("a") as file:  # for an index that is longer than the beginnings of the machines' recordings
        file.write('[[happenings]]\nat = "100us"\ndo = "mend null"\n' * 200)
    whole = _vmdbg("lab", plan, "--digest")
    command = [
        sys.executable,
        "-m",
        "vmdbg",
        "lab",
        str(plan),
        "--digest",
        "--record",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(
        [*command, *apart],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)),
    )
    assert done.returncode == 3, done.stderr
    for name in ("anna.vmdbg", "ben.vmdbg", "index.jsonl"):
        assert f"{tmp_path / 'run' / name} cannot be written any more: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(whole.stdout.splitlines())
