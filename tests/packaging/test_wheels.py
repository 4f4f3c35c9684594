"""What `make wheels` makes: it installs and runs where there is Python and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.guests.build import REPOSITORY
from tests.linux_assets import MARKER
from tests.packaging.debian_root import debian_root, in_root
from tests.packaging.published import built, wheel, with_dependencies
from tests.vmdbg.cli.vmdbg_process import vmdbg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
ARCHITECTURES = ("x86_64", "aarch64")
NEEDED = (
    "vmdbg/engine/native/_native.abi3.so", "vmdbg/samples/sample.elf", "vmdbg/samples/sample-smp.elf", "vmdbg/py.typed",
    "vmdbg/web/page/vendor/xterm.mjs", "vmdbg/web/page/vendor/LICENSE", "gdbstub/LICENSE", "devices/LICENSE",
)  # fmt: skip
PACKAGES = {"vmdbg", "devices", "gdbstub", "dapstub"}
COMPILERS = ("cc", "gcc", "clang", "tcc", "make", "ld", "as")


@pytest.fixture
def work(tmp_path: Path, cloud_kernel: Path, initrd: Path) -> Path:
    """What the bare system finds as /mnt: wheels, and a guest."""
    shutil.copytree(with_dependencies("x86_64"), tmp_path / "wheels")
    shutil.copy(cloud_kernel, tmp_path / "vmlinuz")
    shutil.copy(initrd, tmp_path / "initrd")
    return tmp_path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_wheel_holds_what_is_needed_and_nothing_of_this_machine(architecture: str) -> None:
    assert f"cp311-abi3-manylinux2014_{architecture}.manylinux_2_17_{architecture}" in wheel(architecture).name
    with ZipFile(wheel(architecture)) as archive:
        names = archive.namelist()
        assert [name for name in NEEDED if name not in names] == []
        assert any(name.endswith(".dist-info/licenses/COPYING") for name in names)
        assert {name.split("/")[0] for name in names if "dist-info" not in name} == PACKAGES
        private = [os.fsencode(REPOSITORY), os.fsencode(Path.home()) + b"/", os.fsencode(sys.base_prefix) + b"/lib"]
        for name in names:
            content = archive.read(name)
            assert [place for place in private if place in content] == [], name


def test_the_archive_of_sources_holds_what_a_build_needs() -> None:
    (found,) = built("x86_64").glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "vmdbg/engine/native").glob("*.[ch]")}
    wanted |= {"samples/kernel/linker.ld", "packaging/web-vendor", "COPYING", "vmdbg/web/page/vendor/LICENSE"}
    assert wanted - {"vmdbg/engine/native/_native.c"} <= names
    assert not any(name.endswith((".so", ".elf", ".o", ".pyc")) for name in names)


def test_it_installs_and_boots_linux_where_there_is_only_python(work: Path) -> None:
    root = debian_root("x86_64")
    assert not [tool for tool in COMPILERS if list(root.glob(f"**/bin/{tool}"))]
    assert not list(root.glob("**/Python.h"))
    (pip,) = (work / "wheels").glob("pip-*.whl")

    def run(*command: str) -> str:
        done = in_root(root, work, *command)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    run("/usr/bin/python3.11", "-m", "venv", "--without-pip", "/mnt/venv")
    install = ("--no-index", "--find-links", "/mnt/wheels", "vmdbg")
    run("/mnt/venv/bin/python", f"/mnt/wheels/{pip.name}/pip", "install", *install)
    assert not list((work / "venv").glob("lib/*/site-packages/unicorn"))
    assert run("vmdbg", "--version").startswith("vmdbg ")
    doctor = run("vmdbg", "doctor")
    assert "calibrated" in doctor
    assert "FAILED" not in doctor

    sample = ("--append", "autostop", "--serial", "none", "--digest")
    run("vmdbg", "record", "/mnt/sample.rec", *sample, "/mnt/sample.json")
    kernel, initrd = work / "vmlinuz", work / "initrd"
    guest = ("--memory", "128M", "--no-realtime", "--until", MARKER, "--digest")
    console = run("vmdbg", "run", "--kernel", "/mnt/vmlinuz", "--initrd", "/mnt/initrd", *guest, "/mnt/linux.json")
    assert MARKER in console

    ours = vmdbg("run", *sample, work / "ours.json")
    assert ours.returncode == 0, ours.stderr
    assert json.loads((work / "ours.json").read_bytes()) == json.loads((work / "sample.json").read_bytes())
    ours = vmdbg("run", "--kernel", kernel, "--initrd", initrd, *guest, work / "ours.json")
    assert ours.returncode == 0, ours.stderr
    assert json.loads((work / "ours.json").read_bytes()) == json.loads((work / "linux.json").read_bytes())
    replayed = vmdbg("replay", work / "sample.rec")
    assert replayed.returncode == 0, replayed.stderr


def test_pipx_runs_it(tmp_path: Path) -> None:
    """From the index: all that it needs comes from there."""
    links = tmp_path / "bin"
    links.mkdir()
    (links / "python3").symlink_to(sys.executable)
    environment = os.environ | {
        "HOME": str(tmp_path), "PATH": str(links), "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_DEFAULT_PYTHON": sys.executable, "PIP_ONLY_BINARY": ":all:",
    }  # fmt: skip
    environment.pop("PYTHONPATH", None)
    pipx = (sys.executable, "-m", "pipx", "run", "--spec", str(wheel("x86_64")), "vmdbg")
    for word, wanted in (("--version", "vmdbg "), ("doctor", "calibrated")):
        command = [*pipx, word]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        assert wanted in done.stdout
