"""Expressions that are memory."""

from __future__ import annotations

import pytest

from vmdbg.expressions.lvalue import MemoryForm, memory_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("mem[rsp]", MemoryForm("mem", "rsp")),
        ("mem[rsp + 8, 4]", MemoryForm("mem", "rsp + 8", "4")),
        ("phys[0x1000:0x1010]", MemoryForm("phys", "4096", "(4112) - (4096)")),
        ("u32(rsi)", MemoryForm("u32", "rsi", "4")),
        ("*rsp", MemoryForm("*", "rsp")),
        ("*(int *)$rsp", MemoryForm("*", "cast('int *', $rsp)")),
        ("*p->next", MemoryForm("*", "p.next")),
    ],
)
def test_a_form_that_reads_memory_is_taken_apart(text: str, form: MemoryForm) -> None:
    assert memory_form(text) == form


@pytest.mark.parametrize("text", ["rsp", "u32(rsi) + u32(rdi)", "*rsp + 4", "mem[rsp] == 1", "mem[::2]", "f(1)", "("])
def test_what_only_begins_or_ends_with_one_is_none(text: str) -> None:
    assert memory_form(text) is None
