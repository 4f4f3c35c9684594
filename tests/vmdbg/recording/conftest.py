"""One recording for all tests here: they copy what they change."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.vmdbg.recording.guests import record_session
from vmdbg.machine.digest import Digest


class Recorded(NamedTuple):
    path: Path
    digest: Digest


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The sample kernel's session, and the digest of its last instant."""
    path = tmp_path_factory.mktemp("recordings") / "sample.vmdbg"
    return Recorded(path, record_session(path))
