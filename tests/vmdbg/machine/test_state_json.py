"""States of chips as JSON, which a recording of anybody's may hold."""

from __future__ import annotations

import pytest

from devices.board.port61 import Port61
from vmdbg.errors import RecordingError
from vmdbg.machine.state_json import decode_state


@pytest.mark.parametrize(
    "data", [b"", b"[", b'{"x":' + b"[" * 100_000, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
)
def test_what_is_no_state_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(RecordingError, match="the saved state of port61 is damaged"):
        decode_state(data, Port61.State, "port61")
