"""ivt."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_real_mode_vectors_by_segment_and_offset(real_mode: Session) -> None:
    memory = real_mode.debugger.physical.read(0x10 * 4, 4)  # type: ignore[arg-type]  # a physical address
    shown = real_mode.execute("ivt --all")
    assert f"{memory[3]:02x}{memory[2]:02x}:{memory[1]:02x}{memory[0]:02x}" in shown


def test_protected_mode_says_what_real_mode_would_use(session: Session) -> None:
    assert "the CPU is in protected mode" in session.execute("ivt")


def test_chosen_vectors(real_mode: Session) -> None:
    assert len(real_mode.execute("ivt 0x10 8").splitlines()) == 3
    assert "is no vector" in real_mode.execute("ivt 0x1000")
