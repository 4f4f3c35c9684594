"""`vmdbg run` with debugger commands from the command line, a file or a pipe."""

import json
import signal
import subprocess
from pathlib import Path

from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, digest, environment, errors, vmdbg

QUIET = ("--serial", "none")


def test_commands_are_carried_out_in_order_and_end_the_run() -> None:
    done = vmdbg("run", *QUIET, "-x", "tbreak teller_main", "-x", "continue", "-x", "bt")
    assert done.returncode == 0, errors(done)
    assert b"teller_main" in done.stdout
    assert b"thread_main" in done.stdout
    assert "quit at tick" in errors(done)


def test_a_command_that_fails_is_bad_usage() -> None:
    done = vmdbg("run", *QUIET, "-x", "frobnicate", "-x", "continue")
    assert done.returncode == 2
    assert "frobnicate" in errors(done)
    assert "quit at tick 0" in errors(done)


def test_idle_time_takes_no_time_in_scripts() -> None:
    done = vmdbg("run", *QUIET, "--stop-at", "200_000_000_000", "-x", "realtime", "-x", "continue")
    assert done.returncode == 0, errors(done)
    assert "stopped at tick 2000000000" in errors(done)


def test_answers_as_json() -> None:
    done = vmdbg("run", *QUIET, "--json", "-x", "registers rip")
    assert json.loads(done.stdout) == {"rip": hex(0x100020)}


def test_commands_of_a_file(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("# comment\necho from a file\n")
    done = vmdbg("run", *QUIET, "--command", script, "-x", "echo from the line")
    assert done.returncode == 0, errors(done)
    assert done.stdout.index(b"from a file") < done.stdout.index(b"from the line")


def test_what_a_file_of_commands_answered_before_one_failed_is_shown(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo before\nfrobnicate\necho after\n")
    done = vmdbg("run", *QUIET, "--command", script)
    assert done.returncode == 2
    assert done.stdout == b"before\n"
    assert f"{script}, line 2: there is no command 'frobnicate'" in errors(done)


def test_a_file_that_is_not_there() -> None:
    done = vmdbg("run", *QUIET, "--command", "/no/such/file")
    assert done.returncode == 2
    assert "/no/such/file" in errors(done)


def test_piped_commands_at_the_prompt() -> None:
    done = vmdbg("run", "--repl", *QUIET, typed=b"tbreak teller_main\ncontinue\nwhen\nquit\n")
    assert done.returncode == 0, errors(done)
    assert b"position" in done.stdout


def test_the_guest_can_be_looked_at_after_its_end() -> None:
    script = b"continue\nregisters rip\ngoto 500000\nwhen\n"
    done = vmdbg("run", "--repl", *QUIET, "--append", "autostop", typed=script)
    assert done.returncode == 0, errors(done)
    assert b"500002" in done.stdout


def test_debugging_leaves_no_trace(tmp_path: Path) -> None:
    stop = ("--stop-at", "60000000")
    script = b"tbreak printk\ncontinue\nstepi 50\nwatch jiffies\nbt\nreverse-stepi 10\ngoto 100000\ndelete\nconsole\n"
    done = vmdbg("run", "--repl", *QUIET, *stop, "--digest", tmp_path / "digest", typed=script)
    assert done.returncode == 0, errors(done)
    assert json.loads((tmp_path / "digest").read_text()) == digest(*stop)


def test_the_run_ends_where_it_was_to_end_whoever_has_the_guest() -> None:
    for stop in (("--stop-at", "5000000"), ("--until", "teller")):
        done = vmdbg("run", *QUIET, *stop, "-x", "continue", "-x", "echo still here", "--digest", "-")
        assert done.returncode == 0, errors(done)
        assert b"still here" not in done.stdout
        assert json.loads(done.stdout.splitlines()[-1]) == digest(*stop)


def test_a_signal_ends_a_run_that_commands_have() -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "-x", "continue"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert b"vmdbg sample kernel" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"by SIGTERM" in said


def test_prepared_text_needs_the_guests_console() -> None:
    done = vmdbg("run", *QUIET, "--input", "hello", "-x", "continue")
    assert done.returncode == 2
    assert "use `send TEXT`" in errors(done)
