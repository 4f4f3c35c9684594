"""`vmdbg run` with the sample guest, as a user runs it."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, digest, environment, errors, vmdbg

TICK = "5000000"


def test_the_sample_boots_and_powers_off() -> None:
    done = vmdbg("run", "--append", "autostop")
    assert done.returncode == 0
    assert done.stdout.startswith(b"vmdbg sample kernel")
    assert b"demo: done" in done.stdout
    assert "the guest powered off at tick" in errors(done)


def test_typed_lines_reach_the_prompt() -> None:
    done = vmdbg("run", "--input", r"help\npoweroff\n")
    assert done.returncode == 0, done.stderr
    assert b"poweroff" in done.stdout


def test_piped_lines_are_typed_like_those_of_the_command_line() -> None:
    piped = vmdbg("run", "--digest", "-", "--until", "switch the machine off", typed=b"help\n")
    given = vmdbg("run", "--digest", "-", "--until", "switch the machine off", "--input", r"help\n")
    assert piped.returncode == given.returncode == 0, errors(piped)
    assert piped.stdout == given.stdout


def test_until_stops_at_a_tick_of_the_guests() -> None:
    found = digest("--until", "teller 1: 16")
    again = digest("--until", "teller 1: 16")
    assert found == again


def test_stop_at_a_tick_says_so_and_gives_the_digest() -> None:
    done = vmdbg("run", "--stop-at", TICK, "--serial", "none", "--digest", "-")
    assert done.returncode == 0
    assert "as asked" in errors(done)
    found = json.loads(done.stdout)
    assert set(found) == {"ticks", "rip", "cpu", "ram", "devices"}
    assert int(TICK) <= found["ticks"] < int(TICK) + 15


def test_where_the_serial_port_leads_makes_no_difference(tmp_path: Path) -> None:
    expected = digest("--stop-at", TICK)
    choices = [f"file:{tmp_path}/out", f"unix:{tmp_path}/socket", "tcp:127.0.0.1:0", "pty"]
    for choice in choices:
        done = vmdbg("run", "--stop-at", TICK, "--no-realtime", "--serial", choice, "--digest", tmp_path / "digest")
        assert done.returncode == 0, errors(done)
        assert json.loads((tmp_path / "digest").read_text()) == expected
    assert (tmp_path / "out").read_bytes().startswith(b"vmdbg sample kernel")
    assert not (tmp_path / "socket").exists()


def test_what_the_machine_is_made_of_makes_one() -> None:
    plain = digest("--stop-at", TICK)
    for other in (["--memory", "64M"], ["--no-apic"], ["--start", "2026-01-01"]):
        assert digest("--stop-at", TICK, *other) != plain


def test_io_is_traced(tmp_path: Path) -> None:
    log = tmp_path / "io"
    done = vmdbg("run", "--stop-at", "400000", "--serial", "none", "--trace-io-log", log, "--trace-io")
    assert done.returncode == 0, errors(done)
    lines = log.read_text().splitlines()
    assert any(line.split()[1:3] == ["out", "0x03f8"] and line.endswith("com1") for line in lines)
    ticks = [int(line.split()[0]) for line in lines]
    assert ticks == sorted(ticks)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/kernel"], "cannot read kernel /no/such/kernel"),
        (["/etc/passwd"], "no guest that can be booted"),
        (["a", "--kernel", "b"], "named twice"),
        (["--initrd", "/no/such/initrd"], "none is named: give --kernel"),
        (["/bin/sh", "--initrd", "/no/such/initrd"], "cannot read initrd"),
        (["--memory", "1K"], "between"),
        (["--memory", "256"], "256M"),
        (["--cpu", "z80"], "no CPU model 'z80'"),
        (["--serial", "telepathy"], "--serial"),
        (["--wait"], "--gdb"),
        (["--gdb", "host:99999"], "no address"),
        (["--until", ""], "needs a text"),
        (["--stop-at", "soon"], "no tick"),
        (["--frobnicate"], "--frobnicate"),
        (["--load-address", "0x1000"], "flat"),
        (["--serial", "file:/no/such/directory/file"], "cannot write serial output"),
        (["--trace-io-log", "/no/such/directory/file"], "cannot write the I/O log"),
        (["--stop-at", "1", "--digest", "/no/such/directory/file"], "cannot write the digest"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], words: str) -> None:
    done = vmdbg("run", *arguments)
    assert done.returncode == 2
    last = errors(done).splitlines()[-1]
    assert last.startswith("vmdbg: error: ")
    assert words in last


def test_a_digest_that_cannot_be_written_is_said_before_the_run() -> None:
    done = vmdbg("run", "--stop-at", TICK, "--digest", "/no/such/directory/file")
    assert done.returncode == 2
    assert not done.stdout
    assert "as asked" not in errors(done)


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "--stop-at", "1", "--serial", "none", "--digest", "-"], ["devices"]]
)
def test_a_full_disk_behind_stdout_is_named(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            env=environment(),
            check=False,
        )
    assert done.returncode == 2
    last = errors(done).splitlines()[-1]
    assert last.startswith("vmdbg: error: cannot write")
    assert last.endswith("No space left on device")


@pytest.mark.parametrize("option", ["--serial", "--gdb"])
def test_a_port_in_use_is_named(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = vmdbg("run", option, f"tcp:{address}" if option == "--serial" else address)
    assert done.returncode == 2
    assert address in errors(done)
    assert "in use" in errors(done)


def test_a_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    done = vmdbg("run", "--serial", f"unix:{precious}")
    assert done.returncode == 2
    assert str(precious) in errors(done)
    assert precious.read_text() == "data"


def test_truncated_kernels_are_refused(tmp_path: Path, sample: Path) -> None:
    short = tmp_path / "short.elf"
    short.write_bytes(sample.read_bytes()[:5000])
    done = vmdbg("run", short)
    assert done.returncode == 2
    assert "truncated" in errors(done)


def test_a_guest_needs_its_memory() -> None:
    done = vmdbg("run", "--memory", "1M")
    assert done.returncode == 2
    assert "--memory" in errors(done)
