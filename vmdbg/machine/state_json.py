"""States of a machine's parts as JSON: equal states give equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from devices.scheduler import SchedulerState
from vmdbg.errors import RecordingError

_State = TypeVar("_State")


def encode_state(state: object) -> bytes:
    """A chip's state as canonical JSON: equal states give equal bytes."""
    return msgspec.json.encode(state, order="deterministic")


def decode_state(data: bytes, type_: type[_State], name: str) -> _State:
    """Raises RecordingError if the bytes are no state of that chip."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordingError(f"the saved state of {name} is damaged or of another version: {error}") from error


def encode_unanswered(counts: Sequence[tuple[dict[int, int], dict[int, int]]]) -> bytes:
    """Of each bus, as it gives them: sorted."""
    return msgspec.json.encode(counts)


def decode_unanswered(data: bytes) -> list[list[dict[int, int]]]:
    """Nothing where nothing was saved. Raises RecordingError."""
    if not data:
        return []
    return decode_state(data, list[list[dict[int, int]]], "what nobody answered")


def encode_scheduler(state: SchedulerState) -> bytes:
    return msgspec.json.encode(state)


def decode_scheduler(data: bytes) -> SchedulerState:
    return decode_state(data, SchedulerState, "the scheduler")
