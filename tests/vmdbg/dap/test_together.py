"""Editors beside gdb and beside one another at one machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.vmdbg.dap.editor import Editor, RefusedError, attached, served


def joined(editor: Editor, **arguments: object) -> None:
    editor.begin(request="attach", **arguments)
    editor.ask("configurationDone")


def test_an_editor_comes_to_a_machine_that_waits_and_lets_it_run() -> None:
    with served("--wait", "--no-realtime", "--serial", "none") as (editor, process):
        joined(editor, stopOnEntry=True)
        assert editor.stopped()["reason"] == "entry"
        editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
        assert editor.go("continue")["reason"] == "function breakpoint"
        editor.ask("disconnect", terminateDebuggee=True)
        assert process.wait(timeout=20) is not None


def test_a_stop_of_one_editor_is_a_stop_of_both_and_either_may_leave() -> None:
    with served("--wait", "--no-realtime", "--serial", "none", "--dap", "0") as (first, process):
        assert process.stderr is not None
        port = int(next(line for line in process.stderr if b"ready for editors" in line).rpartition(b":")[2])
        with attached(port) as second:
            joined(first, stopOnEntry=True)
            first.stopped()
            joined(second, stopOnEntry=True)
            second.stopped()
            first.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
            first.go("continue")
            second.event("continued")
            assert second.stopped()["hitBreakpointIds"] == []
            assert second.at() == first.at()
            second.go("stepBack", granularity="instruction")
            first.event("continued")
            assert first.stopped()["reason"] == "step"
            first.ask("disconnect")
            first.closed()
            assert second.go("stepIn", granularity="instruction")["reason"] == "step"
            assert "dap" not in second.command("points")


def test_a_second_client_at_one_port_is_turned_away_in_words() -> None:
    with served("--wait", "--no-realtime", "--serial", "none") as (editor, _):
        joined(editor, stopOnEntry=True)
        editor.stopped()
        assert editor.port is not None
        with attached(editor.port) as other:
            editor.ask("threads")
            other.until_output("another client is attached here")
            other.closed()
        editor.ask("threads")


def test_gdb_and_an_editor_see_each_others_stops(tmp_path: Path) -> None:
    place = tmp_path / "gdb"
    with served("--wait", "--no-realtime", "--serial", "none", "--gdb", f"unix:{place}") as (editor, _):
        joined(editor, stopOnEntry=True)
        editor.stopped()
        commands = ["-ex", f"target remote {place}", "-ex", "stepi", "-ex", "detach"]
        command = [*debian_gdb(), "-q", "-nx", "-batch", *commands]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as gdb:
            editor.event("continued")
            assert editor.stopped()["reason"] == "step"
            said, _ = gdb.communicate(timeout=60)
        assert gdb.returncode == 0, said
        editor.ask("threads")


def test_what_gdb_changes_an_editor_shows_anew(tmp_path: Path) -> None:
    place = tmp_path / "gdb"
    with served("--wait", "--no-realtime", "--serial", "none", "--gdb", f"unix:{place}") as (editor, _):
        joined(editor, stopOnEntry=True)
        editor.stopped()
        assert editor.variables("Registers")["rbx"]["value"] != f"{0x1234:#018x}"
        commands = ["-ex", f"target remote {place}", "-ex", "set $ebx = 0x1234", "-ex", "detach"]
        done = subprocess.run([*debian_gdb(), "-q", "-nx", "-batch", *commands], capture_output=True, timeout=60)
        assert done.returncode == 0, done
        assert editor.event("invalidated")["areas"] == ["all"]
        assert editor.variables("Registers")["rbx"]["value"] == f"{0x1234:#018x}"
        editor.command("set rbx = 7")
        editor.event("invalidated")
        editor.go("stepIn", granularity="instruction")
        editor.ask("threads")
        assert "invalidated" not in [name for name, _ in editor.events]  # a stop says it


def test_a_client_of_another_host_reaches_no_file_of_this_one(tmp_path: Path) -> None:
    kept = tmp_path / "kept.c"
    kept.write_text("nobody else's")
    with served("--wait", "--serial", "none", "--dap", "0.0.0.0:0") as (_, process):
        assert process.stderr is not None
        port = int(next(line for line in process.stderr if b"ready for editors" in line).rpartition(b":")[2])
        with attached(port) as far, pytest.raises(RefusedError, match="files of this host"):
            far.begin(request="attach", symbols=[str(kept)])
        with attached(port) as far:
            joined(far, stopOnEntry=True, sourceMap={str(tmp_path): str(tmp_path)})
            far.stopped()
            with pytest.raises(RefusedError, match="not found"):
                far.ask("source", source={"path": str(kept)}, sourceReference=0)
            for line in (f"symbol-file {kept}", f"source {kept}", f"save {kept}"):
                with pytest.raises(RefusedError, match="cannot be used here"):
                    far.command(line)
