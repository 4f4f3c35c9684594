"""slab."""

from __future__ import annotations

from tests.vmdbg.os.own_machine import OwnGuest
from vmdbg.session.session import Session


def test_caches_are_those_of_slabinfo(linux: Session, own: OwnGuest) -> None:
    """As the guest printed them: the name, objects in use, all, and the size of a slot."""
    sizes = {row["cache"]: row["size"] for row in rows(linux, "slab")}
    lines = own.said.sections["slabinfo"].splitlines()[2:]
    assert set(sizes) >= {line.split()[0] for line in lines if line.strip()}
    assert sizes["kmalloc-64"] == "64" or sizes["kmalloc-64"] == 64


def rows(session: Session, line: str) -> list[dict[str, object]]:
    found = session.run(line).data
    assert isinstance(found, list)
    return [row for row in found if isinstance(row, dict)]


def test_what_is_no_object(linux: Session) -> None:
    """Objects with a history are in tests/vmdbg/queries/test_linux.py."""
    assert "is in no object" in linux.execute("slab linux_banner")
