"""A recording of several CPUs, with what was typed, is the same run in other processes, by every kind of schedule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as run_vmdbg
from vmdbg.machine.digest import Digest
from vmdbg.machine.schedule import Turn
from vmdbg.machine.schedule_list import file_text
from vmdbg.units import CpuId

REPLAYS = 10
TURNS = [Turn(CpuId(n * 7 % 5), 300 + 7919 * n % 200_000) for n in range(4000)]
FILE = "file:"
SCHEDULES = ("round-robin", "random:4", "pct:2,5,length=400M", FILE)
TYPED = ("threads", "user", "demo", "ticks")
"""At the sample's own prompt."""
COMMANDS = (
    "for i in 1 2 3 4 5; do (md5sum /bin/busybox; echo $i) & done; wait",
    "taskset 1 sh -c 'sleep 0.01; cat /proc/interrupts'",
    "echo 0 > /sys/devices/system/cpu/cpu1/online; echo 1 > /sys/devices/system/cpu/cpu1/online",
)


@dataclass(frozen=True, slots=True)
class Recorded:
    path: Path
    digest: Digest


def _schedule(schedule: str, directory: Path) -> str:
    """What `--schedule` is given."""
    if schedule != FILE:
        return schedule
    (directory / "turns").write_text(file_text(TURNS))
    return FILE + str(directory / "turns")


def _recorded(guest: vmdbg.Guest, path: Path) -> Recorded:
    return Recorded(path, guest.digest())


def sample(cpus: int, schedule: str, directory: Path) -> Recorded:
    path = directory / "sample.vmdbg"
    chosen = _schedule(schedule, directory)
    with vmdbg.launch(cpus=cpus, schedule=chosen, memory="16M", record=path) as guest:
        guest.expect("sample> ")
        for line in TYPED:
            guest.send(line + "\r")
            guest.run(3_000_000)
            guest.reschedule("random:9,most=40k" if line == "user" else chosen)
            guest.expect("sample> ")
        return _recorded(guest, path)


def linux(cpus: int, schedule: str, directory: Path) -> Recorded:
    path = directory / "linux.vmdbg"
    chosen = _schedule(schedule, directory)
    with vmdbg.launch(
        cloud_kernel(), initrd=busybox_initrd(), cpus=cpus, schedule=chosen, memory="128M", record=path
    ) as guest:
        guest.expect(PROMPT)
        for line in COMMANDS:
            guest.send(line + "\r")
            guest.expect(PROMPT)
        return _recorded(guest, path)


def assert_again(recorded: Recorded, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other hash seeds, and other leftovers in memory. All of it: what goes to a position begins near it."""
    for number in range(1, times + 1):
        monkeypatch.setenv("PYTHONHASHSEED", str(number))
        monkeypatch.setenv("MALLOC_PERTURB_", str(number))
        done = run_vmdbg("replay", recorded.path, "--quiet", "--verify", "--digest", "-", seconds=300)
        assert done.returncode == 0, errors(done)
        assert "digests agree" in errors(done)
        found = json.loads(done.stdout)
        known = recorded.digest
        assert [found[part] for part in ("ticks", "cpu", "ram", "devices")] == [
            known.ticks,
            known.cpu,
            known.ram,
            known.devices,
        ]


def test_a_run_by_a_list_of_turns_is_the_same_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = sample(3, FILE, tmp_path)
    (tmp_path / "turns").unlink()
    assert_again(recorded, 2, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("make", [sample, linux], ids=lambda make: make.__name__)
@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_so_are_ten_of_ten(
    make: object, cpus: int, schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    recorded = make(cpus, schedule, tmp_path)
    assert isinstance(recorded, Recorded)
    assert_again(recorded, REPLAYS, monkeypatch)
