"""Messages come whole whatever pieces their bytes come in, and what is none is said to be none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapstub.errors import BadRequestError, FramingError
from dapstub.framing import MAX_BODY, MAX_HEADER, Framing, encode

TEXTS = ["{}", '{"a": "\\u00e9\\ud83d\\ude00"}', '{"seq": 1, "body": {"deep": [1, [2, {"x": null}]]}}']
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def framed(text: str, headers: str = "") -> bytes:
    body = text.encode()
    return f"{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def all_of(framing: Framing) -> list[object]:
    found = []
    while (one := framing.next_message()) is not None:
        found.append(one)
    return found


@pytest.mark.parametrize("headers", ["", "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n", "X: y\r\n"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_message_comes_whole_byte_by_byte_and_with_more_behind_it(text: str, headers: str) -> None:
    data, wanted = framed(text, headers), json.loads(text)
    whole = Framing()
    whole.receive(data + framed('{"next": 1}') + b"Content-Le")
    assert all_of(whole) == [wanted, {"next": 1}]
    pieces = Framing()
    for index, byte in enumerate(data):
        assert pieces.next_message() is None, index
        pieces.receive(bytes([byte]))
    assert all_of(pieces) == [wanted]


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5), st.data())
def test_what_is_encoded_is_read_in_any_pieces(listed: list[dict[str, object]], data: st.DataObject) -> None:
    stream = b"".join(encode(one) for one in listed)  # type: ignore[arg-type]  # JSON, as drawn
    framing, found = Framing(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        framing.receive(stream[:size])
        stream = stream[size:]
        found += all_of(framing)
    assert found == listed
    assert not framing.unread


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "is no header"),
        (b"Content-Type: x\r\n\r\n{}", "without Content-Length"),
        (b"Content-Length: -2\r\n\r\n", "Content-Length of"),
        (b"Content-Length: 9e9\r\n\r\n", "Content-Length of"),
        (b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), "at most"),
        (b"x" * (MAX_HEADER + 1), "no end of the headers"),
    ],
)
def test_bytes_that_are_no_messages_end_it(data: bytes, words: str) -> None:
    framing = Framing()
    framing.receive(data)
    with pytest.raises(FramingError, match=words):
        framing.next_message()


@pytest.mark.parametrize(
    "body",
    ["[1]", "17", "nonsense", '{"a": ', "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")],
)
def test_a_body_that_is_no_object_costs_that_message_alone(body: str) -> None:
    framing = Framing()
    framing.receive(framed(body) + framed("{}"))
    with pytest.raises(BadRequestError):
        framing.next_message()
    assert framing.next_message() == {}


def test_half_of_a_surrogate_pair_is_replaced_where_it_is_sent() -> None:
    framing = Framing()
    framing.receive(encode({"name": "a\udc80b"}))
    assert framing.next_message() == {"name": "a?b"}
