"""The fuzzer's entry points under Hypothesis, with inputs that look like what clients send."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gdbstub.agent.opcodes import Op
from tests.gdbstub.fuzz_session import fuzz_agent, fuzz_framing, fuzz_parse, fuzz_session
from tests.gdbstub.test_packets import CASES
from tests.gdbstub.wire import framed

KNOWN = sorted({packet for cases in CASES.values() for _, before, last, _ in cases for packet in [*before, last]})
HEX = st.text("0123456789abcdef-,;:", max_size=12)


@st.composite
def packet(draw: st.DrawFn) -> bytes:
    """A packet from the tables, perhaps cut short or with its end replaced."""
    known = draw(st.sampled_from(KNOWN))
    kept = draw(st.one_of(st.just(len(known)), st.integers(0, len(known))))
    return (known[:kept] + draw(st.one_of(st.just(""), HEX))).encode("latin-1")


WIRE = st.lists(
    st.one_of(packet().map(framed), st.binary(max_size=6), st.just(b"\x03"), st.just(b"~"), st.just(b"$c#63"))
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(WIRE)
def test_session_survives(wire: bytes) -> None:
    fuzz_session(wire)


@given(st.one_of(st.binary(max_size=200), WIRE))
def test_framing_survives(wire: bytes) -> None:
    fuzz_framing(wire)


@settings(max_examples=500)
@given(st.one_of(packet(), st.binary(max_size=50)))
def test_parse_survives(payload: bytes) -> None:
    fuzz_parse(payload)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([bytes((op,)) for op in Op]), st.binary(max_size=4))).map(b"".join))
def test_agent_survives(code: bytes) -> None:
    fuzz_agent(code)
