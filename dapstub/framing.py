"""Messages on a stream of bytes: headers, an empty line, JSON (specification, "Base protocol")."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dapstub.errors import BadRequestError, FramingError
from dapstub.json_values import Json

MAX_HEADER = 4096
MAX_BODY = 16 << 20
END = b"\r\n\r\n"
LENGTH = b"content-length"
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Framing:
    """Takes bytes as they come, in pieces of any size, and gives messages."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._length: int | None = None
        """Of the body that comes; None: its headers come first."""

    @property
    def unread(self) -> int:
        """Bytes that no message was made of yet."""
        return len(self._input)

    def receive(self, data: bytes) -> None:
        self._input += data

    def next_message(self) -> Mapping[str, Json] | None:
        """None until more has come. Raises FramingError; BadRequestError for a body that is no JSON object."""
        if self._length is None and not self._read_headers():
            return None
        assert self._length is not None
        if len(self._input) < self._length:
            return None
        body, self._length = bytes(self._input[: self._length]), None
        del self._input[: len(body)]
        return _decoded(body)

    def _read_headers(self) -> bool:
        """Whether they are all there."""
        end = self._input.find(END)
        if end < 0:
            if len(self._input) > MAX_HEADER:
                raise FramingError(f"no end of the headers in {MAX_HEADER} bytes")
            return False
        self._length = _length(bytes(self._input[:end]))
        del self._input[: end + len(END)]
        return True


def _length(headers: bytes) -> int:
    found: int | None = None
    for line in headers.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise FramingError(f"{line[:60]!r} is no header")
        if name.strip().lower() == LENGTH:
            digits = value.strip()
            if not digits.isdigit() or len(digits) > 12:
                raise FramingError(f"Content-Length of {digits[:60]!r}")
            found = int(digits)
    if found is None:
        raise FramingError("a message without Content-Length")
    if found > MAX_BODY:
        raise FramingError(f"a message of {found} bytes (at most {MAX_BODY})")
    return found


def _decoded(body: bytes) -> Mapping[str, Json]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"a message that is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise BadRequestError("a message that is no JSON object")
    return message


def encode(message: Mapping[str, Json]) -> bytes:
    """A message with its header. Half of a surrogate pair, which UTF-8 has not, is replaced."""
    body = _ENCODE(message).encode("utf-8", "replace")
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
