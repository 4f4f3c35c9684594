"""A Debian disk from power-on to its login, on every bus and from both firmwares: used, written, started again, off."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import vmdbg
from tests import linux_assets
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as run_vmdbg
from vmdbg.api import Guest
from vmdbg.machine.outcome import PoweredOff

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BUSES = ("virtio", "ide", "ahci", "nvme")
PROMPT = "root@debian:~# "
PATIENCE = 200_000_000_000
OVMF = Path("/usr/share/ovmf/OVMF.fd")
REPLAYS = int(os.environ.get("VMDBG_REPLAYS", "1"))
"""Of a recording, each a boot."""


@pytest.fixture(scope="module")
def disk() -> Path:
    return linux_assets.debian_disk()


def started(disk: Path, bus: str, **others: object) -> Guest:
    return vmdbg.launch(disks=[f"{disk},bus={bus}"], memory="512M", **others)  # type: ignore[arg-type]  # launch()'s own


def log_in(guest: Guest) -> None:
    guest.expect("login: ", patience=PATIENCE)
    guest.send("root\n")
    guest.expect("Password: ", patience=PATIENCE)
    guest.send("root\n")
    guest.expect(PROMPT, patience=PATIENCE)


def said(guest: Guest, line: str) -> str:
    """What the shell has to say to a line."""
    guest.send(f"{line}\n")
    shown = guest.expect(PROMPT, patience=PATIENCE)
    return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", shown).partition("\n")[2].removesuffix(PROMPT)


@pytest.fixture(params=BUSES)
def guest(request: pytest.FixtureRequest, disk: Path) -> Iterator[Guest]:
    with started(disk, request.param) as made:
        yield made


def test_it_works_keeps_what_is_written_and_goes_off(guest: Guest, disk: Path) -> None:
    before = disk.stat().st_mtime_ns
    log_in(guest)
    assert "0 loaded units listed" in said(guest, "systemctl --failed | cat")
    assert said(guest, "seq 100000 | md5sum; seq 100000 > kept; sync; echo done").endswith("done\n")
    if "virtio-disk0" in guest.execute("devices"):  # one bus is enough for what takes as long as all the rest
        guest.send("reboot\n")
        log_in(guest)
    first, second = (said(guest, line).split()[0] for line in ("seq 100000 | md5sum", "md5sum kept"))
    assert first == second
    assert goes_off(guest)
    assert disk.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("cpus", "bios"),
    [
        (2, None),
        (4, None),
        pytest.param(4, OVMF, marks=pytest.mark.skipif(not OVMF.exists(), reason="needs OVMF: apt-get install ovmf")),
    ],
)
def test_several_cpus_work_from_power_on(disk: Path, cpus: int, bios: Path | None) -> None:
    with started(disk, "virtio", cpus=cpus, bios=bios) as guest:
        log_in(guest)
        assert said(guest, "nproc").split() == [str(cpus)]
        assert "0 loaded units listed" in said(guest, "systemctl --failed | cat")
        work = "seq 20000 | md5sum > /dev/null; read -r stat < /proc/self/stat; set -- ${stat##*) }; echo ${37}"
        everywhere = f"for cpu in $(seq 0 {cpus - 1}); do taskset -c $cpu sh -c '{work}'; done"
        assert said(guest, everywhere).split() == [str(cpu) for cpu in range(cpus)]
        assert goes_off(guest)


def goes_off(guest: Guest) -> bool:
    """Whether it does by itself."""
    guest.send("poweroff\n")
    stops = (guest.run(1_000_000_000) for _ in itertools.repeat(None, 200))
    return any(isinstance(getattr(stop, "outcome", None), PoweredOff) for stop in stops)


@pytest.mark.skipif(not OVMF.exists(), reason="needs OVMF: apt-get install ovmf")
def test_uefi_boots_the_same_disk(disk: Path) -> None:
    with started(disk, "virtio", bios=OVMF) as guest:
        log_in(guest)
        assert "0 loaded units listed" in said(guest, "systemctl --failed | cat")
        assert "EFI" in said(guest, "dmesg | grep -i 'efi: EFI'")


@pytest.mark.timeout(1800 + 1200 * REPLAYS)
@pytest.mark.parametrize("cpus", [1, 2])
def test_replays_in_other_processes_are_the_same(disk: Path, tmp_path: Path, cpus: int) -> None:
    """From power-on through GRUB: what is typed, and what is written to the disk and read back from it."""
    with started(disk, "virtio", record=tmp_path / "debian.vmdbg", cpus=cpus) as guest:
        log_in(guest)
        said(guest, "seq 50000 > written; sync; echo 3 > /proc/sys/vm/drop_caches")
        assert said(guest, "md5sum < written") == said(guest, "seq 50000 | md5sum")
        said(guest, "rm written; echo something > written; sync")
        digest, end = guest.digest(), guest.position
    expected = (end.tick, digest.cpu, digest.ram, digest.devices)
    for _ in range(REPLAYS):  # all of it: what goes to a position only begins at the checkpoint before that
        done = run_vmdbg("replay", str(tmp_path / "debian.vmdbg"), "--quiet", "--verify", "--digest", "-", seconds=1200)
        found = json.loads(done.stdout)
        assert (found["ticks"], found["cpu"], found["ram"], found["devices"]) == expected, errors(done)
        assert "digests agree" in errors(done)
