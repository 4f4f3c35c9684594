"""samples/tutorials/schedules.md is true of Debian's current kernel and the modules of samples/races."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tutorials.page import TUTORIALS, Page
from tests.vmdbg.queries.races.planted import files


@pytest.mark.timeout(600)
def test_schedules(tmp_path: Path) -> None:
    counter, abba = files("counter"), files("abba")
    named = {"vmlinuz": counter.kernel, "counter.cpio": counter.initrd, "abba.cpio": abba.initrd}
    Page(TUTORIALS / "schedules.md", tmp_path, [], {name: Path(str(path)) for name, path in named.items()}).run()
