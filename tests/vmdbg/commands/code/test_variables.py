"""info locals and info args, and what the names of variables mean at the prompt."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_arguments_and_locals_by_name(session: Session) -> None:
    assert "form = 101" in session.execute("info args")
    form = json.loads(session.execute("info args --json"))[1]
    assert form == {"name": "form", "type": "uint32_t", "value": "101"}
    session.run("next")
    session.run("next")
    shown = session.execute("info locals").splitlines()
    assert "locked = true" in shown
    assert "balance = <optimized out>" in shown


def test_what_has_no_number_says_why_whatever_is_calculated_with_it(session: Session) -> None:
    session.run("next")
    session.run("next")
    for form in ("{}*2", "2*{}", "-{}", "~{}", "{} - 1", "1 + {}", "{} << 1", "{} % 7", "{} > 3", "u8({})"):
        words = form.format("balance")
        assert session.execute(f"print {words}") == f"error: {words}: optimized out\n"
    for form in ("{}*2", "-{}", "1 - {}", "{} & 1", "{} / 3"):
        said = session.execute(f"print {form.format('(*teller)')}")
        assert said == "error: struct teller is no number; choose one of its members\n"


def test_another_frame_has_its_own(session: Session) -> None:
    session.run("up")
    assert session.execute("info args").startswith("argument = (void *)0xffffffff8")
    assert session.execute("info locals").splitlines()[0] == "i = 1"
    assert session.execute("p i") == "1\n"
    assert "struct teller" in session.execute("ptype teller")
    assert session.execute("p teller->name").count('"') == 2
    assert session.execute("p *teller").startswith("(struct teller){")
    session.run("down")
    assert session.execute("p form") == "101\n"
    assert "no register, symbol or variable 'i'" in session.execute("p i")


def test_registers_keep_their_names_behind_a_dollar(session: Session) -> None:
    assert session.evaluate("$rsi") == session.evaluate("rsi") == session.evaluate("form")
    assert session.evaluate("$form if False else form + 1") == 102


def test_a_condition_is_of_the_place_where_it_is_asked(live: Session) -> None:
    live.run("break deposit if form == 104")
    live.run("continue")
    assert "form = 104" in live.execute("info args")
    live.run("delete all")
    live.run("break deposit if teller->first_form + 7 == form")
    live.run("continue")
    assert live.evaluate("form - teller->first_form") == 7


def test_where_nothing_is_known_it_says_so(session: Session) -> None:
    session.run("frame 3")
    assert "thread_start has no local variables here" in session.execute("info locals")


def test_types_of_the_program(session: Session) -> None:
    assert session.evaluate("sizeof(struct teller)") > 16
    assert session.evaluate("((struct teller *)teller)->first_form") == session.evaluate("teller->first_form")
    assert session.evaluate("offsetof(struct teller, paid_in)") > 0
    assert "first_form" in session.execute("ptype struct teller")
    assert session.evaluate("container_of(&teller->paid_in, struct teller, paid_in)->first_form") == session.evaluate(
        "teller->first_form"
    )


def test_variables_outside_of_functions(session: Session) -> None:
    assert session.execute("p current").startswith("(struct thread *)0x")
    assert session.evaluate("current + 0") == session.symbols.address_of("current")
    assert session.evaluate("current->entry") == session.symbols.address_of("teller_main")
    assert "struct thread" in session.execute("ptype current")
    assert session.evaluate("threads[0].name") is not None
    assert "has no member" in session.execute("p current->nothing")


def test_a_bare_number_is_a_line_of_the_file_that_is_looked_at(session: Session) -> None:
    assert "<deposit+" in session.execute("break 69")
    session.run("up 2")
    assert "<thread_main+" in session.execute("break 58")
    assert "no code is known for line 99999 of " in session.execute("break 99999")
    assert "no code is known for line 99999 of" in session.execute("break bank.c:99999")
    session.run("delete all")


def test_a_line_that_is_inlined_says_where_else_it_is(session: Session) -> None:
    answers = [session.execute(f"break cpu.h:{line}") for line in range(1, 80)]
    session.run("delete all")
    assert any("more places, inlined or copied: 0x" in answer for answer in answers)
    assert any(answer.startswith("breakpoint") and "inlined" not in answer for answer in answers)
