"""A Linux guest in the hands of a script, with drgn too, at any instant."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests.vmdbg.os.conftest import own
from tests.vmdbg.os.own_machine import OwnGuest
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

__all__ = ["own"]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def guest(own: OwnGuest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vmdbg.Guest:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own.timeline.seek(Position(own.ready))
    return vmdbg.Guest(own.timeline)


def test_scripts_ask_the_system_itself(guest: vmdbg.Guest) -> None:
    linux = guest.linux
    assert linux.names.task(1).comm == "init"
    assert [task.name for task in linux.tasks() if task.parent == 1].count("sleep") >= 1
    guest.seek(0)
    with pytest.raises((UserError, vmdbg.GuestError)):
        _ = guest.linux


def test_a_symbol_is_known_before_the_kernel_tells_its_names(guest: vmdbg.Guest) -> None:
    here = guest.position
    guest.seek(0)
    assert guest.seek("hit:do_sys_openat2") < here
    assert guest.pc == guest.address_of("do_sys_openat2")
    guest.seek(0)
    assert guest.address_of("do_sys_openat2 + 4") == guest.address_of("do_sys_openat2") + 4
    with pytest.raises(UserError, match="no register, symbol or variable 'no_such_name'"):
        guest.seek("hit:no_such_name")
    assert guest.position == guest.start


def test_drgn_at_past_positions_sees_what_we_see(guest: vmdbg.Guest, own: OwnGuest) -> None:
    pytest.importorskip("drgn")
    from drgn.helpers.linux.pid import for_each_task

    guest.seek(own.ready)
    before = guest.digest()
    counts = []
    for tick in (own.ready * 2 // 10, own.ready * 6 // 10, own.ready):
        guest.seek(Tick(tick))
        program = guest.drgn()
        theirs = {(task.pid.value_(), task.comm.string_().decode()) for task in for_each_task(program)}
        assert theirs == {(task.pid, task.name) for task in guest.linux.tasks()}
        counts.append(len(theirs))
    assert counts[0] < counts[-1]
    assert guest.digest() == before
