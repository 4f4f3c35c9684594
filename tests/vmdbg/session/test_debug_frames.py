"""Frames with functions and variables of the source."""

from __future__ import annotations

import random

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.api.test_cpus import launched
from vmdbg.commands import catalog
from vmdbg.errors import UserError
from vmdbg.session.session import Session

LOOKS = ("bt", "frame", "info locals", "info args", "symbol $rip")


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


def anew(session: Session, line: str) -> str:
    """What a session answers that has seen nothing yet, of the same files."""
    other = Session(session.debugger, catalog.commands, owner="anew")
    other.sources.texts = session.sources.texts
    for known in other.sources.files[:]:
        other.sources.remove(known.path)
    for file in session.sources.files:
        other.sources.use(file)
    try:
        return other.execute(line)
    finally:
        other.close()


def disturb(session: Session, chance: random.Random) -> str:
    """Something that may change what the stack looks like, or nothing."""
    line = chance.choice((
        "stepi", "stepi 20", "next", "finish", "reverse-stepi", "reverse-stepi 9", "goto -2000", "goto end", "fork",
        "when", "bt",
        "set $rip = $rip + 1", "set $rsp = $rsp + 8", "set $rbp = 0", f"set $rdi = {chance.randrange(1 << 32)}",
        f"set mem[$rsp + {8 * chance.randrange(12)}] = {chance.choice(('0', '$rip', '$rsp', 'mem[$rsp]'))}",
        f"symbol-file {sample_kernel()} --remove", f"symbol-file {sample_kernel()}", "break deposit", "delete all",
        f"symbol-file {sample_kernel()} --slide 0x10", "symbol-file guest --remove",
    ))  # fmt: skip
    return f"{line}: {session.execute(line)}"


@pytest.mark.parametrize("seed", range(3))
def test_frames_that_are_remembered_are_those_that_are_found_anew(live: Session, seed: int) -> None:
    """Whatever was typed since: steps, writes to registers, code and stack, other futures, other files."""
    chance = random.Random(seed)
    live.run("tbreak deposit")
    live.run("continue")
    done = []
    for _ in range(40):
        done.append(disturb(live, chance))
        line = chance.choice(LOOKS)
        assert live.execute(line) == anew(live, line), done


def test_frames_of_each_cpu_are_its_own_whichever_was_asked_about_before() -> None:
    chance = random.Random(1)
    with launched() as guest:
        guest.run(90_000)
        for _ in range(60):
            number = chance.randrange(4)
            match chance.randrange(4):
                case 0:
                    guest.cpus[number].look_at()
                case 1:
                    guest.step()
                case 2:
                    guest.cpus[number].registers.rbp = chance.choice([0, guest.cpus[number].registers.rsp])
                case _:
                    guest.execute(f"bt --cpu {number}")
            for cpu in guest.cpus:
                other = Session(guest.debugger, catalog.commands, owner="anew")
                with guest.debugger.of(cpu.number):
                    assert [(row.pc, row.registers) for row in cpu.frames] == [
                        (row.physical.pc, row.physical.registers) for row in other.frames.all()
                    ]
                other.close()
