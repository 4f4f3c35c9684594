"""--trace-io-log where the guest goes back and comes again."""

from __future__ import annotations

from pathlib import Path

from tests.vmdbg.debugger.programs import go, program
from vmdbg.debugger.actions import Continue, Direction, Seek
from vmdbg.host.io_trace import IoLog

SOURCE = """
    mov ecx, 20
again:
    mov al, cl
    out 80h, al
middle:
    in al, 61h
    dec ecx
    jnz again
    finish 0
"""


def _written(path: Path, *, back: bool, fork: bool = False) -> list[str]:
    log = IoLog(str(path))
    with program(SOURCE, "middle") as (debugger, at, _):
        log.attach(debugger.machine)
        debugger.timeline.fork_listeners.append(log.forked)
        debugger.points.add_breakpoint(at["middle"])
        for _number in range(6):
            go(debugger)
        if back:
            for _number in range(3):
                go(debugger, Continue(Direction.BACKWARD))
            go(debugger, Seek(debugger.timeline.start))
            if fork:
                debugger.timeline.fork()
            for _number in range(4):
                go(debugger)
        debugger.points.remove_owned("")
        go(debugger)
        log.close()
    return path.read_text().splitlines()


def test_each_access_is_written_once(tmp_path: Path) -> None:
    expected = _written(tmp_path / "straight", back=False)
    assert len(expected) > 40
    assert _written(tmp_path / "back", back=True) == expected


def test_a_fork_is_said_and_written_on_from(tmp_path: Path) -> None:
    expected = _written(tmp_path / "straight", back=False)
    found = _written(tmp_path / "forked", back=True, fork=True)
    [at] = [number for number, line in enumerate(found) if line.endswith(" fork")]
    assert found[:at] == expected[:at]
    assert found[at + 1 :] == expected
