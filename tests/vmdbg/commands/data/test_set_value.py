"""set, edit, fill and undo."""

from __future__ import annotations

import json

import pytest

from vmdbg.session.session import Session


@pytest.fixture
def stopped(live: Session) -> Session:
    live.run("tbreak deposit")
    live.run("continue")
    return live


def test_registers_and_their_parts(stopped: Session) -> None:
    stopped.run("set rbx = 0x1122334455667788")
    stopped.run("set bl = 0")
    assert stopped.evaluate("rbx") == 0x1122334455667700
    stopped.run("set ebx = 1")
    assert stopped.evaluate("rbx") == 1
    stopped.run("undo 3")
    assert "nothing was changed" in stopped.execute("undo")


def test_memory_linear_and_physical(stopped: Session) -> None:
    before = stopped.evaluate("mem[rsp:rsp+16]")
    stopped.run("set mem[rsp, 4] = -1")
    stopped.run("set u16(rsp) = 0x1234")
    assert stopped.evaluate("mem[rsp, 4]") == 0xFFFF1234
    stopped.run("set phys[translate(rsp), 1] = 7")
    assert stopped.evaluate("u8(rsp)") == 7
    stopped.run("edit rsp 1 2 3 --size 2")
    stopped.run('edit rsp "text"')
    stopped.run("fill rsp 16 0xcc")
    assert len(json.loads(stopped.execute("undo --list --json"))) == 6
    stopped.run("undo 6")
    assert stopped.evaluate("mem[rsp:rsp+16]") == before


def test_what_does_not_fit_changes_nothing(stopped: Session) -> None:
    for line in (
        "set al = 256",
        "set mem[rsp, 1] = 999",
        "set nothing = 1",
        "set rax",
        "set tick = 5",
        "set mem[0] = 1",
    ):
        assert stopped.execute(line).startswith("error")
    assert json.loads(stopped.execute("undo --list --json")) == []


def test_changes_are_replayed(stopped: Session) -> None:
    """A change is an input of the guest: going back before it and forwards again makes it anew."""
    stopped.run("set rbx = 0x77")
    stopped.run("stepi 2")
    stopped.run("goto -100")
    stopped.run("goto end")
    assert stopped.evaluate("rbx") == 0x77
