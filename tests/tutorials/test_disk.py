"""samples/tutorials/disk.md is true of the Debian disk: who damages a book is found, and how."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import linux_assets
from tests.tutorials.page import TUTORIALS, Page
from tests.tutorials.transcript import commands
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment

PAGE = TUTORIALS / "disk.md"
SOURCES = TUTORIALS / "disk"
SECTOR, PLACE, FIRST = 3_805_440, 3_670_272, 135_168
"""Of the page: where the book is on the disk, and in its partition, which begins there."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def prepared(directory: Path) -> None:
    """What the page has its reader make."""
    tools = directory / "tools"
    tools.mkdir()
    module = linux_assets.build_module("heartbeat", (SOURCES / "heartbeat.c").read_text())
    (tools / "heartbeat.ko").write_bytes(module)
    shutil.copy(SOURCES / "day.sh", tools)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", "tools", "tools.img", "4M"], cwd=directory, check=True)
    (directory / "vmlinuz").symlink_to(linux_assets.cloud_kernel())
    (directory / "debian.img").symlink_to(linux_assets.debian_disk())


def asked(directory: Path, *words: str) -> str:
    return subprocess.run(
        [*COMMAND, *words], cwd=directory, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True
    ).stdout.decode()


def where_the_book_is(directory: Path) -> int:
    """Another disk, built on another day, has it elsewhere."""
    asked(directory, *shlex.split(commands(PAGE)[0].text)[1:])
    rows = json.loads(asked(directory, "query", "beat.vmdbg", "disk", "--json"))
    return min(int(row["sector"]) for row in rows if "/var/book1" in str(row.get("file")))


def test_the_disk_itself_says_who(tmp_path: Path) -> None:
    prepared(tmp_path)
    sector = where_the_book_is(tmp_path)
    text = PAGE.read_text()
    for shown, real in ((SECTOR, sector), (PLACE, sector - FIRST)):
        text = text.replace(f"{shown:,}", f"{real:,}").replace(str(shown), str(real))
    (tmp_path / "beat.vmdbg").unlink()
    page = tmp_path / "disk.md"
    page.write_text(text)
    Page(page, tmp_path, []).run()


def test_what_was_typed_and_written_on_it_comes_again_ten_times_of_ten(tmp_path: Path) -> None:
    """In other processes, and without the images: the shell's commands, the file system's writes, the module's."""
    prepared(tmp_path)
    asked(tmp_path, *shlex.split(commands(PAGE)[0].text)[1:])
    for name in ("debian.img", "tools.img", "vmlinuz"):
        (tmp_path / name).unlink()
    digests = {asked(tmp_path, "replay", "beat.vmdbg", "--quiet", "--verify", "--digest", "-") for _ in range(10)}
    assert len(digests) == 1
