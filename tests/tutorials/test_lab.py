"""samples/tutorials/lab.md is true of Debian's current kernel and samples/labs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from tests.linux_assets import cloud_kernel
from tests.tutorials.page import TUTORIALS, Page
from tests.vmdbg.lab.linux_lab import tunnel_initrd


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lost_page_is_followed_to_the_router(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "samples" / "labs" / "three.toml", tmp_path)
    (tmp_path / "vmlinuz").symlink_to(cloud_kernel())
    (tmp_path / "lab.cpio").symlink_to(tunnel_initrd())
    Page(TUTORIALS / "lab.md", tmp_path, []).run()
