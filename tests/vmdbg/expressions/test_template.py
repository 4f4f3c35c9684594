"""Text with expressions in braces."""

from __future__ import annotations

import pytest

from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.template import compile_template
from vmdbg.session.session import Session


def test_templates(session: Session) -> None:
    assert compile_template("{cpl} {255:x} {{}} {'t'}", session.scope).render() == "0 ff {} t"
    assert "cannot access" in compile_template("{u8(0)}", session.scope).render()
    for wrong in ("{", "{rax!r}", "{rax:{rbx}}", "{rax:9999d}", "{1 +}"):
        with pytest.raises(ExpressionError):
            compile_template(wrong, session.scope)


def test_a_template_reads_the_guest_each_time_it_is_rendered(session: Session) -> None:
    made = compile_template("at {rip:x}", session.scope)
    before = made.render()
    assert before == f"at {session.registers.read('rip'):x}"
    session.run("stepi")
    assert made.render() not in ("", before)


def test_names_that_mean_nothing_yet_are_told_and_have_no_value(session: Session) -> None:
    made = compile_template("{nothing_of_that_name} {rax}", session.scope)
    assert made.unknown == ("nothing_of_that_name",)
    assert made.render().startswith("?(")
