"""Debian's kernels on several CPUs: all of them work, go and come back, and a replay does the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, busybox_initrd_32bit, cloud_kernel, generic_kernel, pae_kernel
from vmdbg.debugger.stops import Ended
from vmdbg.machine.outcome import PoweredOff

ROUNDS = 3000
LOOP = f"n=0; while [ $n -lt {ROUNDS} ]; do n=$((n+1)); done; cut -d' ' -f39 /proc/self/stat"
"""Which CPU cut(1) runs on, its parent's."""


def _shell(guest: vmdbg.Guest, command: str) -> str:
    guest.send(command + "\r")
    return guest.expect(PROMPT)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kernel", "cpus", "schedule"),
    [
        pytest.param(pae_kernel, 2, "round-robin", marks=pytest.mark.slow),
        pytest.param(pae_kernel, 4, "random:3", marks=pytest.mark.slow),
        (cloud_kernel, 4, "round-robin"),
        pytest.param(cloud_kernel, 2, "round-robin:20k", marks=pytest.mark.slow),
        pytest.param(cloud_kernel, 8, "round-robin", marks=pytest.mark.slow),
        pytest.param(cloud_kernel, 2, "random:1", marks=pytest.mark.slow),
        pytest.param(generic_kernel, 2, "round-robin", marks=pytest.mark.slow),
        pytest.param(generic_kernel, 4, "pct:1", marks=pytest.mark.slow),
        pytest.param(generic_kernel, 8, "round-robin", marks=pytest.mark.slow),
    ],
)
def test_all_cpus_work_go_and_come_back_and_a_replay_does_the_same(
    kernel: Callable[[], Path], cpus: int, schedule: str, tmp_path: Path
) -> None:
    recording = tmp_path / "recording"
    initrd = busybox_initrd_32bit() if kernel is pae_kernel else busybox_initrd()
    with vmdbg.launch(kernel(), initrd=initrd, cpus=cpus, schedule=schedule, record=recording, memory="256M") as guest:
        guest.expect(PROMPT)
        assert "inconsistent" not in guest.console
        loop = f"taskset $(printf %x $((1<<i))) sh -c '{_quoted(LOOP)}'"
        everywhere = f"for i in $(seq 0 {cpus - 1}); do {loop} & done; wait"
        places = re.findall(r"^([0-9]+)\r?$", _shell(guest, everywhere), re.MULTILINE)
        assert sorted(map(int, places)) == list(range(cpus))
        last = f"/sys/devices/system/cpu/cpu{cpus - 1}/online"
        offline = _shell(guest, f"echo 0 > {last}; cat /sys/devices/system/cpu/online")
        assert re.search(rf"^0(-{cpus - 2})?\r?$", offline, re.MULTILINE)
        assert re.search(
            rf"^0-{cpus - 1}\r?$", _shell(guest, f"echo 1 > {last}; cat /sys/devices/system/cpu/online"), re.M
        )
        middle = guest.position
        guest.send("poweroff -f\r")
        assert guest.run() == Ended(PoweredOff())
        end, expected = guest.position, guest.digest()
    with vmdbg.open_recording(recording) as guest:
        for place in (end, middle, end):
            guest.seek(place)
        assert guest.digest() == expected


def _quoted(script: str) -> str:
    """For single quotes of the shell."""
    return script.replace("'", "'\"'\"'")
