"""digest."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_the_same_instant_has_the_same_digest(session: Session) -> None:
    first = json.loads(session.execute("digest --json"))
    session.run("reverse-stepi 5")
    other = json.loads(session.execute("digest --json"))
    session.run("stepi 5")
    assert json.loads(session.execute("digest --json")) == first
    assert other["cpu"] != first["cpu"]
