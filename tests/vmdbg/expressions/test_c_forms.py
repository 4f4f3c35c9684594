"""What hands used to C type, as calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.expressions.c_forms import MEMBER_MARK, c_forms


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("*task", "deref(task)"),
        ("*task.fs + 1", "deref(task.fs) + 1"),
        ("**p", "deref(deref(p))"),
        ("&task.tasks", "address_of(task.tasks)"),
        ("(struct file *)rdi", 'cast("struct file *", rdi)'),
        ("*(struct task_struct *)lx_task", 'deref(cast("struct task_struct *", lx_task))'),
        ("((struct file *)rdi).f_path", '(cast("struct file *", rdi)).f_path'),
        ("(struct a *)(struct b *)c[1] + 3", 'cast("struct a *", cast("struct b *", c[1])) + 3'),
        ("*(u64*)rsp == 5 and *x", 'deref(cast("u64 *", rsp)) == 5 and deref(x)'),
        ("(unsigned long)rax >> 3", 'cast("unsigned long", rax) >> 3'),
        ("(long)rax", 'cast("long", rax)'),
        ("sizeof(struct file)", 'sizeof("struct file")'),
        ("container_of(p, struct task_struct, tasks)", 'container_of(p, "struct task_struct", tasks)'),
        ("a if *b else &c", "a if deref(b) else address_of(c)"),
        ("x[*p]", "x[deref(p)]"),
        ("dev.class.name", f"dev.class{MEMBER_MARK}.name"),
        ("offsetof(struct device, class)", f'offsetof("struct device", class{MEMBER_MARK})'),
        ("f(a, None)", "f(a, None)"),
        ("x if y else z.if", f"x if y else z.if{MEMBER_MARK}"),
    ],
)
def test_forms_of_c(typed: str, meant: str) -> None:
    assert c_forms(typed) == meant


@pytest.mark.parametrize(
    "text", ["a*b", "2 ** 3", "a & b", "(rax) * 2", "(rax)", "f(a, b)[1] * 2", "'*x'", "mem[rsp:rsp + 8]", "*"]
)
def test_pythons_own_stays_as_it_is(text: str) -> None:
    assert c_forms(text) == text


@given(st.text(alphabet="*&()[]ab 1.struct", max_size=300))
def test_any_text_comes_to_an_end(text: str) -> None:
    assert c_forms(text).count("b") == text.count("b")
