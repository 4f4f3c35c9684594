"""What the user changed, and its undoing."""

from __future__ import annotations

from vmdbg.debugger.points import Space
from vmdbg.expressions.place import Place
from vmdbg.session.changes import Changes
from vmdbg.session.session import Session

RAM = 0x9000


def test_changes_are_taken_back_in_turn(live: Session) -> None:
    changes = live.part(Changes)
    rax = live.registers.read("rax")
    assert changes.write_register("rax", 0x1234_5678) == rax
    assert changes.write_register("ax", 0x9ABC) == 0x1234_5678
    assert live.registers.read("rax") == 0x1234_9ABC
    for change in reversed(changes.made):
        change.undo()
    assert live.registers.read("rax") == rax


def test_memory_of_either_space_is_put_back(live: Session) -> None:
    changes = live.part(Changes)
    before = live.debugger.physical.read(RAM, 4)  # type: ignore[arg-type]  # Physical
    for space in (Space.PHYSICAL, Space.LINEAR):
        assert changes.write_memory(Place(space, RAM), b"abcd") == before
        assert live.debugger.physical.read(RAM, 4) == b"abcd"  # type: ignore[arg-type]  # Physical
        changes.made.pop().undo()
        assert live.debugger.physical.read(RAM, 4) == before  # type: ignore[arg-type]  # Physical


def test_a_change_says_what_it_did(live: Session) -> None:
    changes = live.part(Changes)
    before = changes.write_register("rbx", 5)
    changes.write_memory(Place(Space.PHYSICAL, RAM), b"\xff")
    assert [change.words for change in changes.made] == [f"rbx: {before:#x} -> 0x5", "physical 0x9000: 00 -> ff"]
