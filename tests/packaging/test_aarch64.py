"""AArch64 as the host, which QEMU's user mode is: digests, recordings and single instructions are those of x86-64."""

from __future__ import annotations

import os
import pickle
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.conformance.instructions import GROUPS, GROUPS_32
from tests.conformance.session import batch
from tests.conformance.vex import MODEL, vex_batch
from tests.guests.build import REPOSITORY, require
from tests.linux_assets import MARKER
from tests.packaging.debian_root import debian_root
from tests.packaging.published import for_debian, pip, with_dependencies
from tests.packaging.run_batches import hashes
from tests.vmdbg.cli.vmdbg_process import vmdbg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
SECONDS = 1500
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and what it needs, as pip installs them there."""
    require("qemu-aarch64")
    folder = tmp_path_factory.mktemp("aarch64")
    wheels = with_dependencies("aarch64")
    options = ("--only-binary=:all:", *for_debian("aarch64"), "--no-index", "--find-links", wheels)
    pip("install", *options, "--target", folder, "vmdbg", "pytest")
    return folder


def _python(site: Path, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    root = debian_root("aarch64")
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    command = [require("qemu-aarch64"), "-L", root, root / "usr" / "bin" / "python3.11", *arguments]
    with tempfile.TemporaryDirectory() as elsewhere:  # than this tree, whose vmdbg it is not to be
        return subprocess.run(
            command, env=environment | {"PYTHONPATH": f"{site}:{REPOSITORY}"}, cwd=elsewhere, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=SECONDS,
        )  # fmt: skip


def _vmdbg(site: Path, *arguments: str | Path) -> str:
    done = _python(site, "-m", "vmdbg", *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.decode()


def _vmdbg_here(*arguments: str | Path) -> str:
    done = vmdbg(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_doctor_finds_an_engine(site: Path) -> None:
    text = _vmdbg(site, "doctor")
    assert "aarch64" in text
    assert "calibrated" in text
    assert "FAILED" not in text


def test_the_sample_and_its_recordings_are_the_same(site: Path, tmp_path: Path) -> None:
    options = ("--append", "autostop", "--digest")
    theirs = _vmdbg(site, "record", tmp_path / "theirs.rec", *options, tmp_path / "theirs.json")
    ours = _vmdbg_here("record", tmp_path / "ours.rec", *options, tmp_path / "ours.json")
    assert theirs == ours
    assert (tmp_path / "theirs.json").read_bytes() == (tmp_path / "ours.json").read_bytes()
    assert _vmdbg_here("replay", tmp_path / "theirs.rec") == ours
    assert _vmdbg(site, "replay", tmp_path / "ours.rec") == ours


def test_linux_boots_to_the_same_digest(site: Path, tmp_path: Path, cloud_kernel: Path, initrd: Path) -> None:
    guest = ("--kernel", cloud_kernel, "--initrd", initrd, "--memory", "128M", "--no-realtime", "--until", MARKER)
    theirs = _vmdbg(site, "run", *guest, "--digest", tmp_path / "theirs.json")
    ours = _vmdbg_here("run", *guest, "--digest", tmp_path / "ours.json")
    assert MARKER in theirs
    assert theirs == ours
    assert (tmp_path / "theirs.json").read_bytes() == (tmp_path / "ours.json").read_bytes()


def test_instructions_have_the_same_results(site: Path, tmp_path: Path) -> None:
    """Flags that are undefined, too: whatever they are, they are so on every host."""
    jobs = [(f"{group} {seed}", "base", batch(group, seed)) for seed in SEEDS for group in (*GROUPS, *GROUPS_32)]
    jobs += [(f"vex {seed}", MODEL, vex_batch(seed)) for seed in SEEDS]
    (tmp_path / "jobs").write_bytes(pickle.dumps(jobs))
    done = _python(site, "-m", "tests.packaging.run_batches", tmp_path / "jobs")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.decode().splitlines() == hashes(jobs)
