"""Linux with a small disk that has a file system: up in some seconds, and used by what is typed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from vmdbg.api import Guest

SIZE = 16 << 20
IDENTITY = "6f1b1d9e-7b1c-4e0e-9a53-5d1f0c1b2a34"
DEVICE = "/dev/nvme0n1"
PATIENCE = 20_000_000_000


def ext4_disk(path: Path, files: Path | None = None) -> Path:
    """The same bytes in every run, but for times."""
    with path.open("wb") as image:
        image.truncate(SIZE)
    options = ["-q", "-F", "-t", "ext4", "-U", IDENTITY, "-E", f"hash_seed={IDENTITY},root_owner=0:0"]
    _run("mke2fs", *options, *(["-d", str(files)] if files is not None else []), str(path))
    return path


def qcow2_chain(disk: Path, directory: Path) -> str:
    """What --disk takes for the same disk in three images, each with a part of it and rubbish behind others'."""
    half = SIZE // 2
    bottom, middle, top = (directory / f"{name}.qcow2" for name in ("bottom", "middle", "top"))
    _run("qemu-img", "convert", "-c", "-O", "qcow2", str(disk), str(bottom))
    _run("qemu-io", "-f", "qcow2", "-c", f"write -q -P 0xAB 1M {half}", str(bottom))
    for under, over, start, end in ((bottom, middle, 1 << 20, half), (middle, top, half, half + (1 << 20))):
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(under), "-F", "qcow2", str(over))
        part = directory / "part"
        part.write_bytes(disk.read_bytes()[start:end])
        _run("qemu-io", "-f", "qcow2", "-c", f"write -q -s {part} {start} {end - start}", str(over))
    return f"{top},backing={middle},backing={bottom}"


def launched(disk: str | Path, *, bus: str = "nvme", **others: object) -> Guest:
    """With a shell on the console, which has not come yet."""
    return vmdbg.launch(
        cloud_kernel(),
        initrd=busybox_initrd(),
        memory="128M",
        disks=[f"{disk},bus={bus}"],
        **others,  # type: ignore[arg-type]  # launch()'s own
    )


def typed(guest: Guest, lines: Iterable[str]) -> list[str]:
    """What the shell has to say to each line."""
    said = []
    for line in lines:
        guest.send(f"{line}\n")
        shown = guest.expect(PROMPT, patience=PATIENCE)
        said.append(re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", shown).partition("\n")[2].removesuffix(PROMPT))
    return said


def _run(tool: str, *words: str) -> None:
    path = shutil.which(tool, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"no {tool}: make packages")
    subprocess.run([path, *words], check=True, capture_output=True)
