"""What an address leads to."""

from __future__ import annotations

from vmdbg.session.pointers import chain
from vmdbg.session.session import Session


def test_a_pointer_is_followed_to_code_and_to_text(session: Session) -> None:
    assert "<deposit>" in str(chain(session, session.integer("deposit")))
    assert str(chain(session, 5)) == "0x5"
    at = session.integer("rsp") & ~7
    assert str(chain(session, at)).startswith(f"{at:#0{2 * session.registers.mode.width // 8 + 2}x}")


def test_a_pointer_to_itself_is_followed_once(live: Session) -> None:
    """In the flat memory that the sample begins in."""
    live.debugger.write_physical(0x9000, (0x9000).to_bytes(8, "little"))  # type: ignore[arg-type]  # Physical
    assert str(chain(live, 0x9000)) == "0x00009000 -> 0x00009000 (again)"
    live.debugger.write_physical(0x9000, b"some words\0")  # type: ignore[arg-type]  # Physical
    assert str(chain(live, 0x9000)) == "0x00009000 -> 'some words'"


def test_no_chain_is_longer_than_asked(live: Session) -> None:
    for number in range(16):
        pointer = 0x9000 + 16 * (number + 1)
        live.debugger.write_physical(0x9000 + 16 * number, pointer.to_bytes(8, "little"))  # type: ignore[arg-type]  # Physical
    assert str(chain(live, 0x9000, 3)).split(" -> ") == [f"{0x9000 + 16 * n:#010x}" for n in range(4)]
