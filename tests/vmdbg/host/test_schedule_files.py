from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.host.schedule_files import refuse_useless, schedule
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.schedules import parse_schedule
from vmdbg.x86.topology import Topology


def test_a_file_is_read_once_and_what_it_says_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "my.turns"
    file.write_text("# CPU and ticks\n0 1000\n1 20  # the one that matters\n")
    text = schedule(f"file:{file}")
    file.unlink()
    assert text == "turns:0*1000 1*20"
    assert str(parse_schedule(text)) == text


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"0 1000\nx\n", "line 2: a turn is two numbers"),
        (b"\xff\xfe\0", "line 1"),
        (b"#\n", "0 turns"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_line(tmp_path: Path, content: bytes, error: str) -> None:
    file = tmp_path / "my.turns"
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"my\.turns.*{error}"):
        schedule(f"file:{file}")


def test_several_cpus_need_local_apics_and_a_schedule_several_cpus() -> None:
    several = MachineConfig(topology=Topology(cores=2), schedule="random:1")
    refuse_useless(several)
    with pytest.raises(UserError, match="leave out --no-apic"):
        refuse_useless(replace(several, apic=False))
    with pytest.raises(UserError, match="give --cpus N too"):
        refuse_useless(replace(several, topology=Topology()))
