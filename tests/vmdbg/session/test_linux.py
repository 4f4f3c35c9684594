"""What is known of Linux alone."""

from __future__ import annotations

import pytest

from tests.vmdbg.session.other_system import OtherDetector, use
from vmdbg.errors import UserError
from vmdbg.session.linux import find_linux, need_linux
from vmdbg.session.session import Session


def test_another_system_is_no_linux_and_is_named(live: Session) -> None:
    use(live.system, OtherDetector())
    assert find_linux(live.system) is None
    with pytest.raises(UserError, match=r"known of Linux only; the guest runs Other 1\.0"):
        need_linux(live.system)
    assert "the guest runs Other 1.0" in live.execute("dmesg")
    assert "  ps " in live.execute("help")
    assert "not here now (help COMMAND says why): dmesg" in live.execute("help")


def test_without_any_system_there_is_none(session: Session) -> None:
    assert find_linux(session.system) is None
    with pytest.raises(UserError, match="no operating system that vmdbg knows"):
        need_linux(session.system)
