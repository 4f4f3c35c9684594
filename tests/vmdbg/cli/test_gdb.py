"""`vmdbg run --gdb` with a real gdb: what it does leaves no trace in the guest."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guests.build import assemble, require, sample_kernel
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, digest, environment, errors, vmdbg
from tests.vmdbg.gdb.typed_at import Gdb

ENDS_AT_ONCE = "nop\nmov al, 0\nout 0f4h, al\nhlt"
SCRIPT = """
set pagination off
set confirm off
target remote {address}
break printk
continue
continue
delete
info registers
x/16i $pc
watch -l *(long *)($sp - 64)
continue
delete
stepi 200
x/64xb $sp
{end}
"""


@contextmanager
def served(*words: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`vmdbg run WORDS...` that says first where gdb finds it: the process, and that place."""
    command = [*COMMAND, "run", "--serial", "none", "--gdb", "0", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stderr is not None
        found = re.search(r"target remote (\S+)", process.stderr.readline())
        assert found is not None
        yield process, found[1]


def asked_by_gdb(place: str, *lines: str) -> subprocess.CompletedProcess[str]:
    words = [word for line in (f"target remote {place}", *lines) for word in ("-ex", line)]
    command = [require("gdb"), "-nx", "-batch", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)


def run_under_gdb(sample: Path, tmp_path: Path, *arguments: str, end: str) -> tuple[int, str, str]:
    """Exit code and messages of vmdbg, and what gdb said."""
    with served(sample, "--wait", *arguments) as (process, place):
        script = tmp_path / "script"
        script.write_text(SCRIPT.format(address=place, end=end))
        client = subprocess.run(
            [require("gdb"), "-nx", "-batch", "-x", script, sample],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            text=True,
            check=False,
        )
        _, said = process.communicate(timeout=TIMEOUT)
    return process.returncode, said, client.stdout + client.stderr


def test_a_debugged_guest_becomes_what_it_would_have_become(sample: Path, tmp_path: Path) -> None:
    stop = ("--stop-at", "60000000")
    code, said, client = run_under_gdb(sample, tmp_path, *stop, "--digest", f"{tmp_path}/digest", end="detach")
    assert code == 0, said
    assert "Breakpoint 1, printk" in client
    assert "Hardware watchpoint 2" in client, client
    assert json.loads((tmp_path / "digest").read_text()) == digest(sample, *stop)


def test_until_means_the_same_tick_under_gdb(sample: Path, tmp_path: Path) -> None:
    until = ("--until", "teller 1: 16")
    code, said, _ = run_under_gdb(sample, tmp_path, *until, "--digest", f"{tmp_path}/digest", end="detach")
    assert code == 0, said
    assert json.loads((tmp_path / "digest").read_text()) == digest(sample, *until)


@pytest.mark.parametrize("end", ["kill", "monitor tick\nkill"])
def test_kill_ends_the_run(sample: Path, tmp_path: Path, end: str) -> None:
    code, said, _ = run_under_gdb(sample, tmp_path, end=end)
    assert code == 0
    assert "quit at tick" in said


def test_gdb_can_keep_the_history_in_the_directory_set_apart_and_nowhere_else(sample: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    end = f"monitor save crash.vmdbg\nmonitor save ../outside\nmonitor save {tmp_path}/outside\nkill"
    _, said, client = run_under_gdb(sample, tmp_path, "--gdb-files", str(kept), end=end)
    assert "Traceback" not in said
    assert f"{kept}/crash.vmdbg: from tick 0 to" in client
    assert client.count("is no bare file name") == 2
    assert [path.name for path in kept.iterdir()] == ["crash.vmdbg"]
    assert not (tmp_path / "outside").exists()
    assert vmdbg("replay", kept / "crash.vmdbg", "--verify", "--quiet").returncode == 0


def test_symbol_files_name_addresses_for_monitor_commands_and_for_the_prompt(sample: Path, tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("1000 T from_a_file\n")
    _, _, client = run_under_gdb(sample, tmp_path, "--symbols", str(names), end="monitor symbol 0x1004\nkill")
    assert "0x1004 <from_a_file+0x4>" in client
    done = vmdbg("run", sample, "--serial", "none", "--symbols", names, "-x", "symbol 0x1004", "-x", "symbol printk")
    assert b"0x1004 <from_a_file+0x4>" in done.stdout
    assert b"<printk>" in done.stdout


def test_a_symbol_file_that_cannot_be_read_is_bad_usage_whoever_is_to_use_it(tmp_path: Path) -> None:
    for front_end in ((), ("--gdb", "0", "--wait"), ("--repl",)):
        done = vmdbg("run", "--serial", "none", "--symbols", tmp_path / "nowhere", *front_end)
        assert done.returncode == 2
        assert "nowhere: No such file" in errors(done)


def test_without_a_directory_gdb_writes_nothing(sample: Path, tmp_path: Path) -> None:
    _, _, client = run_under_gdb(sample, tmp_path, "--gdb-files", "none", end="monitor save crash.vmdbg\nkill")
    assert "save cannot be used here: it writes a file of the host" in client


def test_a_guest_that_died_waits_for_gdb_which_can_go_back(sample: Path) -> None:
    with served(sample, "--append", "bug=stale") as (it, place):
        assert it.stderr is not None
        assert "gdb can still attach" in it.stderr.readline()
        done = asked_by_gdb(place, "reverse-stepi", "monitor when", "kill")
        assert "known: this is the past" in done.stderr
        it.stderr.read()
        assert it.wait(TIMEOUT) == 1


def test_a_breakpoint_at_the_last_instruction_is_gone_past(tmp_path: Path) -> None:
    guest = tmp_path / "guest.bin"
    guest.write_bytes(assemble(ENDS_AT_ONCE, origin=0x7C00).ljust(510, b"\0") + b"\x55\xaa")
    with served(guest, "--wait") as (it, place):
        again = ["continue", "continue", "stepi", "stepi", "reverse-continue"]
        done = asked_by_gdb(place, "break *0x7c03", "continue", *again, *again, "kill")
        assert done.stdout.count("Breakpoint 1, 0x") == 3, done.stdout
        assert done.stderr.count("the guest left through the test-exit port with value 0") == 8
        it.stderr.read()
        it.wait(TIMEOUT)


def test_a_gdb_that_dies_leaves_nothing_behind_on_any_cpu(tmp_path: Path) -> None:
    """And the next one can attach."""
    kernel = sample_kernel("sample-smp.elf")
    stop = ("--cpus", "4", "--stop-at", "60000000")
    command = [*COMMAND, "run", kernel, *stop, "--serial", "none", "--gdb", f"unix:{tmp_path}/s", "--wait"]
    with subprocess.Popen(
        [*command, "--digest", f"{tmp_path}/digest"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        first = Gdb([require("gdb")], kernel, f"{tmp_path}/s")
        first.line("break smp_main thread 3")
        assert 'Thread 3 "CPU 2" hit Breakpoint 1' in first.line("continue")
        first.line("stepi")
        first.line("thread 2")
        first.kill()
        second = Gdb([require("gdb")], kernel, f"{tmp_path}/s")
        assert "4    Thread 1.4" in second.line("info threads")
        second.line("thread 3")
        second.line("stepi")
        second.line("reverse-stepi")
        second.line("detach")
        second.quit()
        _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, said
    assert json.loads((tmp_path / "digest").read_text()) == digest(kernel, *stop)


@pytest.mark.parametrize("cpus", [1, 4])
def test_two_gdbs_at_one_guest(sample: Path, tmp_path: Path, cpus: int) -> None:
    """A stop of one is a stop of both, and nobody acts on where the guest no longer is."""
    sample = sample if cpus == 1 else sample_kernel("sample-smp.elf")
    several = ("--cpus", str(cpus))
    stop = ("--stop-at", "60000000", "--digest", f"{tmp_path}/digest")
    with served(sample, *several, "--gdb", f"unix:{tmp_path}/s", "--wait", *stop) as (process, place):
        gdb = [require("gdb")]
        one, other = Gdb(gdb, sample, place), Gdb(gdb, sample, f"{tmp_path}/s")
        one.line("break printk")
        other.line("break kmalloc")
        said = one.line("continue")
        assert "Breakpoint 1, printk" in said or "another gdb's breakpoint" in said
        said = other.line("stepi")
        assert "another debugger has moved or changed the guest meanwhile" in said
        assert other.line("print $pc").split()[-2] == one.line("print $pc").split()[-2]
        one.line("detach")
        one.quit()
        assert "another gdb's" not in other.line("stepi"), "it knows where the guest stands"
        other.line("detach")
        other.quit()
        _, said = process.communicate(timeout=TIMEOUT)
    assert "gdb has left; the guest stands for another debugger" in said
    assert process.returncode == 0, said
    assert json.loads((tmp_path / "digest").read_text()) == digest(sample, *several, "--stop-at", "60000000")
