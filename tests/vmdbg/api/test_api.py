"""The Python API, as a script would use it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import assemble, sample_kernel
from vmdbg.debugger.stops import BreakpointStop, DeviceStop, Ended, HistoryEnd, WatchpointStop
from vmdbg.errors import UserError
from vmdbg.machine.outcome import DiskDone, PoweredOff

PROMPT = "sample> "


@pytest.fixture
def guest() -> Iterator[vmdbg.Guest]:
    with vmdbg.launch(sample_kernel(), memory="16M") as guest:
        guest.load_symbols(sample_kernel())
        yield guest


def test_expect_and_send(guest: vmdbg.Guest) -> None:
    assert guest.expect(PROMPT).startswith("vmdbg sample kernel")
    guest.send("ticks\r")
    assert guest.expect(PROMPT) == "ticks\r\n33\r\nsample> "


def test_expect_stops_in_the_past_and_in_a_recording_where_it_stopped_then(guest: vmdbg.Guest, tmp_path: Path) -> None:
    guest.record(tmp_path / "run.vmrec")
    guest.expect(PROMPT)
    first = guest.position
    guest.send("ticks\r")
    guest.expect("ticks\r\n")
    echoed = guest.position
    guest.expect(PROMPT)
    end = guest.position
    guest.close()
    with vmdbg.open_recording(tmp_path / "run.vmrec") as again:
        assert again.expect(PROMPT).startswith("vmdbg sample kernel")
        assert again.position == first
        assert again.expect("ticks\r\n") == "ticks\r\n"
        assert again.position == echoed
        again.seek(end)
        assert again.expect(PROMPT) == "33\r\nsample> "
        assert again.position == end
        with pytest.raises(vmdbg.GuestError, match="'no such text' did not come before the recording ended"):
            again.expect("no such text")


def test_what_does_not_come_is_an_error_with_the_last_lines(guest: vmdbg.Guest) -> None:
    with pytest.raises(vmdbg.GuestError, match=r"'no such text' did not come before its time was up.*sample>"):
        guest.expect("no such text", patience=400_000_000)


def test_breakpoints_with_python_conditions(guest: vmdbg.Guest) -> None:
    point = guest.break_at("printk", lambda guest: "demo" in guest.memory.cstring(guest.registers.rdi))
    stop = guest.run()
    assert isinstance(stop, BreakpointStop)
    assert guest.pc == guest.address_of("printk")
    assert "demo" in guest.memory.cstring(guest.registers["rdi"])
    guest.delete(point)


def test_hits_forwards_and_backwards(guest: vmdbg.Guest) -> None:
    guest.expect(PROMPT)
    end = guest.position
    point = guest.break_at("printk")
    back = [hit.position for hit in guest.hits(point, backwards=True)]
    guest.seek("start")
    guest.timeline.close(at=end)
    forth = [hit.position for hit in guest.hits(point)]
    assert forth == back[::-1]
    assert len(forth) > 10


def test_watching_and_going_back(guest: vmdbg.Guest) -> None:
    guest.expect(PROMPT)
    rsp = guest.registers.rsp
    guest.watch(rsp, 8)
    assert isinstance(guest.reverse_run(), WatchpointStop)
    before = guest.memory.u64(rsp)
    guest.step(architectural=True)
    row = guest.queries.who_wrote(rsp, 8)
    assert row is not None
    assert int.from_bytes(row.old.ljust(8, b"\0"), "little") in (before, before & 0xFFFFFFFF, before & 0xFF)


def test_registers_and_memory_are_written_as_inputs(guest: vmdbg.Guest) -> None:
    guest.run(1_000_000)
    guest.registers.rbp = 0x1122334455667788
    guest.registers["eax"] = 0x10
    guest.physical.write_integer(0x9000, 4, 0xCAFEBABE)
    assert guest.registers.bp == 0x7788
    assert guest.physical.u32(0x9000) == 0xCAFEBABE
    assert guest.physical[0x9000:0x9002] == b"\xbe\xba"
    here, state = guest.position, guest.digest()
    guest.seek("start")
    guest.seek(here)
    assert guest.digest() == state
    with pytest.raises(vmdbg.UserError, match="does not fit"):
        guest.registers["al"] = 0x100
    with pytest.raises(AttributeError):
        _ = guest.registers.no_such_register


def test_the_past_is_fixed_until_it_is_forked(guest: vmdbg.Guest) -> None:
    guest.expect(PROMPT)
    guest.seek("50%")
    with pytest.raises(vmdbg.UserError, match="fork"):
        guest.send("x")
    with pytest.raises(vmdbg.UserError, match="fork"):
        guest.registers.rax = 0
    guest.fork()
    guest.send("ticks\r")
    assert guest.live


def test_what_was_expected_of_a_future_that_was_dropped_is_expected_anew(guest: vmdbg.Guest) -> None:
    guest.expect(PROMPT)
    first = guest.position
    for _ in range(3):
        guest.send("ticks\r")
        guest.expect(PROMPT)
    guest.seek(first)
    guest.execute("fork")
    for _ in range(3):
        guest.send("ticks\r")
        said = guest.expect(PROMPT)
        assert said.startswith("ticks")
        assert said.count(PROMPT) == 1


def test_recordings_and_snapshots(tmp_path: Path, guest: vmdbg.Guest) -> None:
    guest.record(tmp_path / "r")
    guest.expect(PROMPT)
    guest.save_snapshot(tmp_path / "s")
    state = guest.digest()
    guest.close()
    with vmdbg.open_recording(tmp_path / "r", verify=True) as again:
        assert isinstance(again.run(), HistoryEnd)
        assert again.digest() == state
        assert again.console.endswith(PROMPT)
    with vmdbg.resume(tmp_path / "s") as resumed:
        assert resumed.digest() == state
        resumed.send("poweroff\r")
        stop = resumed.run()
        assert isinstance(stop, Ended)
        assert stop.outcome == PoweredOff()


def test_bad_arguments_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(vmdbg.UserError, match="256M"):
        vmdbg.launch(sample_kernel(), memory="lots")
    with pytest.raises(vmdbg.UserError, match="cannot read"):
        vmdbg.launch(tmp_path / "none")
    with pytest.raises(vmdbg.UserError, match="cannot read"):
        vmdbg.open_recording(tmp_path / "none")


def test_importing_is_quick_and_names_are_there() -> None:
    code = "import sys, vmdbg; assert 'vmdbg.api' not in sys.modules; vmdbg.launch; vmdbg.launch; dir(vmdbg)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError):
        _ = vmdbg.nothing_of_the_kind


def script(tmp_path: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    command = [sys.executable, "-m", "vmdbg", "script", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_scripts_get_their_arguments_and_set_the_exit_code(tmp_path: Path) -> None:
    done = script(tmp_path, "import sys\nprint(sys.argv[1:], __name__)\nsys.exit(7)", "--a", "b")
    assert done.stdout == "['--a', 'b'] __main__\n"
    assert done.returncode == 7


def test_a_scripts_own_error_is_shown_from_its_own_code_on(tmp_path: Path) -> None:
    done = script(tmp_path, "def f():\n    return 1 / 0\nf()")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "runpy" not in done.stderr


def test_our_errors_in_a_script_are_one_line(tmp_path: Path) -> None:
    done = script(tmp_path, "import vmdbg\nvmdbg.launch('/no/such/kernel')")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "/no/such/kernel" in done.stderr


PLUGIN_TEST = """
def test_boots(vmdbg_guest):
    guest = vmdbg_guest({kernel!r}, memory="16M")
    guest.expect("sample> ")

def test_fails(vmdbg_guest):
    vmdbg_guest({kernel!r}, memory="16M").run(1000)
    assert False
"""


def test_the_pytest_fixture_keeps_the_history_of_failed_tests(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PLUGIN_TEST.format(kernel=str(sample_kernel())))
    keep = tmp_path / "kept"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--vmdbg-keep", str(keep)]
    if "vmdbg.pytest_plugin" not in _plugins():
        command += ["-p", "vmdbg.pytest_plugin"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    (kept,) = keep.iterdir()
    assert f"vmdbg replay {kept} --repl" in done.stdout
    with vmdbg.open_recording(kept) as guest:
        assert guest.end.tick >= 1000


def _plugins() -> list[str]:
    from importlib.metadata import entry_points

    return [point.value for point in entry_points(group="pytest11")]


def test_a_guest_that_is_not_named_is_the_sample_as_on_the_command_line() -> None:
    with vmdbg.launch(append="autostop") as guest:
        guest.expect("sample")
        assert guest.session.symbols.find("kernel_main") is not None


def test_frames_and_their_variables(guest: vmdbg.Guest) -> None:
    guest.break_at("account_open")
    guest.run()
    frame, *callers = guest.frames
    assert (frame.number, frame.function, frame.inlined) == (0, "account_open", False)
    assert frame["name"].string_() == guest.memory.cstring(guest.registers.rdi)
    assert frame.file.endswith("bank.c")
    assert callers[-1].line or not callers[-1].file
    assert "name" in list(frame)
    with pytest.raises(vmdbg.UserError, match="account_open has no variable 'nothing'"):
        frame["nothing"]


def test_what_devices_do_is_caught(tmp_path: Path) -> None:
    guest_file, disk = tmp_path / "guest.bin", tmp_path / "disk.img"
    guest_file.write_bytes(assemble((Path(__file__).parents[2] / "determinism" / "disk.asm").read_text()))
    disk.write_bytes(bytes(1000 * 512))
    with vmdbg.launch(guest_file, disks=[disk], memory="2M") as guest:
        guest.catch_disk("write", sectors=range(500), drive="disk0")
        stop = guest.run()
        assert isinstance(stop, DeviceStop)
        (event,) = stop.events
        assert isinstance(event, DiskDone)
        assert (event.operation, event.sector < 500) == ("write", True)
        guest.uncatch()
        guest.catch_messages(condition=lambda _: True)
        assert isinstance(guest.run(), Ended)
        with pytest.raises(UserError, match="what is asked of a drive"):
            guest.catch_disk("format")
