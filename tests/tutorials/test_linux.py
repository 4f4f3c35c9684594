"""samples/tutorials/linux.md is true of Debian's current kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tutorials.page import TUTORIALS, Page
from tests.vmdbg.gdb.guests import GDBS, gdb_program


@pytest.mark.timeout(600)
def test_linux(cloud_kernel: Path, initrd: Path, tmp_path: Path) -> None:
    files = {"vmlinuz": cloud_kernel, "initrd.cpio": initrd}
    Page(TUTORIALS / "linux.md", tmp_path, gdb_program(GDBS[0]), files).run()
