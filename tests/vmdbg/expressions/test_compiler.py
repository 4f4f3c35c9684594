"""Expressions: Python's values where Python has them, and no way out of them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.expressions.errors import ExpressionError
from vmdbg.session.session import Session

NUMBERS = st.integers(min_value=0, max_value=1 << 64).map(str)
RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["+", "-", "*", "&", "|", "^", "==", "<", ">=", "!=", " and ", " or ", ">>3+0*", "//1+"]
    )
    binary = st.tuples(inner, operators, inner).map(lambda parts: f"({parts[0]}{parts[1]}{parts[2]})")
    unary = st.tuples(st.sampled_from(["-", "~", "not "]), inner).map(lambda parts: f"({parts[0]}{parts[1]})")
    return binary | unary


@RELAXED
@given(text=st.recursive(NUMBERS, combined, max_leaves=12))
def test_arithmetic_is_pythons(session: Session, text: str) -> None:
    assert session.evaluate(text) == eval(text)  # the strategy makes nothing but numbers and operators


@RELAXED
@given(text=st.text(max_size=60))
def test_any_text_has_a_value_or_is_refused(session: Session, text: str) -> None:
    with contextlib.suppress(UserError):
        session.evaluate(text)


HOSTILE = (
    "().__class__.__bases__[0].__subclasses__()",
    "rax.__init__",
    "mem.__class__",
    "mem.read_bytes",
    "string.__globals__",
    "(lambda: 1)()",
    "[x for x in ().__class__.__mro__]",
    "{1: 2}",
    "{*range(10)}",
    "f'{rax.__class__}'",
    "print('x')",
    "exec('1')",
    "min(*range(10**9))",
    "sum([1]*10**9)",
    "'ab' % 1",
    "await x",
    "x := 5",
    "1 if",
    "'\\ud800'.encode",
    "...",
    "()",
    "(" * 150 + ")" * 150,
    "-" * 3000 + "1",
    "1" * 5000,
    "1" + "+1" * 4000,
    "1" + "+1" * 201,
    "mem[" * 300 + "1" + "]" * 300,
    "rax." + "x." * 2000 + "x",
    "9**9**9",
    "(9**9)**9**9",
    "1 << (1 << 60)",
    "1" + " << 65000" * 3,
    "(1 << 60000) * (1 << 60000)",
    "max(range(10**12))",
    "[sum(range(1000000)) for _ in range(1000000)]",
    "[mem[0:1 << 20] for _ in range(1000000)]",
    "['ab' * 1000000 for _ in range(1000000)]",
    "[0] * 1000000 + [0] * 1000000",
    "linear(1)",
    "string(1, 2, 3)",
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_nothing_leads_out(session: Session, text: str) -> None:
    with pytest.raises(UserError, match=r"\S") as caught:
        session.evaluate(text)
    assert len(str(caught.value)) < 500


NESTED = (("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("abs(", ")"), ("1+", ""), ("", "+1"), ("1 if 1 else ", ""))


@RELAXED
@given(
    wrappers=st.lists(st.tuples(st.sampled_from(NESTED), st.integers(1, 400)), min_size=1, max_size=5),
    inner=st.sampled_from(["1", "rax", "()", "mem[rsp]", "'x'"]),
)
def test_any_depth_has_a_value_or_is_refused(
    session: Session, wrappers: list[tuple[tuple[str, str], int]], inner: str
) -> None:
    for (before, after), times in wrappers:
        inner = before * times + inner + after * times
    with contextlib.suppress(UserError):
        session.evaluate(inner)


def test_a_chain_as_people_type_it_is_not_too_deep(session: Session) -> None:
    assert session.evaluate("1" + "+1" * 150) == 151
    assert session.evaluate("(" * 150 + "1" + ")" * 150) == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("$rax", "rax"),
        ("%rsp + 8", "rsp + 8"),
        ("rax == 1 && rbx != 2", "rax == 1 and rbx != 2"),
        ("!(rax == 1) || 1", "not (rax == 1) or 1"),
        ("RAX & 0xff", "rax & 0xff"),
        ("eflags", "rflags"),
    ],
)
def test_other_debuggers_spelling(session: Session, typed: str, meant: str) -> None:
    assert session.evaluate(typed) == session.evaluate(meant)


def test_strings_keep_what_looks_like_an_operator(session: Session) -> None:
    assert session.evaluate("'a && $b -> c'") == "a && $b -> c"


def test_names_go_to_variables_then_registers_then_symbols(session: Session) -> None:
    assert session.evaluate("deposit") == session.symbols.address_of("deposit")
    session.scope.variables["deposit"] = 5
    assert session.evaluate("deposit") == 5
    assert session.evaluate("symbol('deposit')") == session.symbols.address_of("deposit")


def test_memory(session: Session) -> None:
    rsp = session.registers.read("rsp")
    data = session.debugger.linear().read(rsp, 16)  # type: ignore[arg-type]  # a linear address
    assert session.evaluate("mem[rsp:rsp+16]") == data
    assert session.evaluate("mem[rsp]") == int.from_bytes(data[:8], "little")
    assert session.evaluate("mem[rsp, 2]") == session.evaluate("u16(rsp)")
    assert session.evaluate("i8(rsp)") == int.from_bytes(data[:1], "little", signed=True)
    assert session.evaluate("phys[translate(rsp)]") == session.evaluate("mem[rsp]")


def test_registers_have_their_fields(session: Session) -> None:
    assert session.evaluate("cr0.PE") == 1
    assert session.evaluate("rflags.IF") == 1
    with pytest.raises(ExpressionError, match="has no field"):
        session.evaluate("cr0.NOTHING")


def test_an_expression_reads_the_guest_when_it_is_evaluated(session: Session) -> None:
    expression = session.compile("rsp")
    before = expression.evaluate()
    session.run("stepi")
    assert expression.evaluate() == before - 8
