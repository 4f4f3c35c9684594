"""Frames with functions and variables of the source."""

from __future__ import annotations

import pytest

from vmdbg.errors import UserError
from vmdbg.session.session import Session


def test_the_innermost_frame_is_the_first_of_all(session: Session) -> None:
    frames = session.frames
    first, second = frames.innermost(), frames.all()[0]
    assert (first.physical.pc, first.scope, first.position) == (second.physical.pc, second.scope, second.position)
    assert [frame.number for frame in frames.all()] == list(range(len(frames.all())))
    assert [frame.function for frame in frames.all()][:2] == ["deposit", "teller_main"]


def test_a_name_is_that_of_the_frame_looked_at(session: Session) -> None:
    session.run("next")
    own = {name for name, _ in session.frames.parameters(session.frames.selected())}
    assert own
    name = next(iter(own))
    assert session.frames.find(name) is not None
    session.frames.select(1)
    outer = session.frames.selected()
    assert outer.function == "teller_main"
    names = {one for one, _ in (*session.frames.parameters(outer), *session.frames.locals(outer))}
    assert (session.frames.find(name) is not None) == (name in names)
    session.run("stepi")
    assert session.frames.selected_number == 0, "the guest has moved"


def test_there_is_no_frame_beyond_the_last(session: Session) -> None:
    session.frames.select(99)
    with pytest.raises(UserError, match="there is no frame 99; bt shows 0 to"):
        session.frames.selected()


def test_variables_outside_of_functions_and_types_are_found_by_name(session: Session) -> None:
    lock = session.frames.global_variable("counter_lock")
    assert lock is not None
    assert lock.address_ == session.symbols.find("counter_lock")
    assert session.frames.global_variable("deposit") is None, "a function"
    assert session.frames.global_variable("nothing") is None
    found = session.frames.type("struct account *")
    assert found is not None
    assert (str(found), found.size) == ("struct account *", 8)
    assert session.frames.type("struct nothing") is None


def test_code_of_no_file_has_no_names(real_mode: Session) -> None:
    frame = real_mode.frames.innermost()
    assert (frame.function, frame.position, frame.is_inlined) == ("", "", False)
    assert real_mode.frames.find("anything") is None
    assert real_mode.frames.parameters(frame) == real_mode.frames.locals(frame) == []
