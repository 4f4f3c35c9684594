import argparse
import os
import signal
import subprocess

import pytest

from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, errors, vmdbg
from vmdbg.cli import doctor
from vmdbg.cli import main as main_module
from vmdbg.errors import EngineError, GuestError


def test_version() -> None:
    assert vmdbg("--version").stdout.startswith(b"vmdbg 0.")


def test_devices_with_and_without_apic() -> None:
    lines = vmdbg("devices").stdout.decode().splitlines()
    assert any(line.startswith("com1") and "3f8-3ff" in line for line in lines)
    assert any(line.startswith("lapic") and "fee00000" in line for line in lines)
    assert b"lapic" not in vmdbg("devices", "--no-apic").stdout


def test_doctor_finds_an_engine() -> None:
    done = vmdbg("doctor")
    assert done.returncode == 0
    assert b"calibrated" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--no-such-option"]])
def test_usage_errors(arguments: list[str]) -> None:
    done = vmdbg(*arguments)
    assert done.returncode == 2
    assert errors(done).startswith("vmdbg: error: ")
    assert "--help" in errors(done)


@pytest.mark.parametrize(
    ("error", "code"), [(EngineError("e"), 3), (GuestError("g"), 1), (RuntimeError("oops"), 3), (MemoryError(), 3)]
)
def test_errors_become_exit_codes(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: object) -> int:
        raise error

    monkeypatch.setattr(doctor, "run_checks", lambda: fail(None))
    assert main_module.main(["doctor"]) == code
    assert capsys.readouterr().err.startswith("vmdbg: error: ")


@pytest.mark.parametrize(
    "words",
    [["run"], ["run", "-x", "continue", "-x", "bt"], ["run", "-x", "python while True: execute('continue')"],
     ["run", "-x", "python while True: run('continue')"],
     ["run", "-x", "logpoint printk '{rdi}' --live", "-x", "continue"]],
)  # fmt: skip
def test_a_reader_that_leaves_ends_the_run_quietly(words: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(TIMEOUT) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_run_with_a_word(number: signal.Signals) -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "run"], stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        os.close(reader)
        assert process.stdout is not None
        process.stdout.read(10)
        process.send_signal(number)
        _, said = process.communicate(timeout=TIMEOUT)
    os.close(writer)
    assert process.returncode == 128 + number
    assert number.name.encode() in said
    assert b"Traceback" not in said


@pytest.mark.parametrize("command", main_module.COMMANDS)
def test_a_command_is_the_same_beside_the_others_and_alone(command: str) -> None:
    def usage(parser: argparse.ArgumentParser) -> str:
        (subparsers,) = (action for action in parser._actions if isinstance(action.choices, dict))
        return str(subparsers.choices[command].format_help())

    assert usage(main_module.parser((command,))) == usage(main_module.parser())
