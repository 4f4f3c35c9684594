"""pci."""

from __future__ import annotations

import json

from tests.vmdbg.boot.seabios import seabios_machine
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


def test_the_bus_of_a_plain_machine_has_its_host_bridge(session: Session) -> None:
    (row,) = json.loads(session.execute("pci --json"))
    assert (row["place"], row["name"]) == ("00:00.0", "host-bridge")


def test_functions_are_shown_by_name_and_place_with_their_wires_and_bytes() -> None:
    machine = seabios_machine()
    try:
        machine.run(Tick(12_000_000))
        session = Session(Debugger(Timeline(machine)), catalog.commands())
        rows = {row["name"]: row for row in json.loads(session.execute("pci --json"))}
        assert rows["power-management"]["interrupt"] == "INTA# PIRQA# IRQ 10"
        shown = session.execute("pci isa-bridge 01.3 -x")
        assert "00:01.0 isa-bridge" in shown
        assert "class          0601 ISA bridge" in shown
        assert "00000060  0a 0a 0b 0b" in shown
        assert "did you mean isa-bridge" in session.execute("pci isa-bridg")
    finally:
        machine.close()
