"""The page's device, from one file and one line: on the command line, at the prompt, recorded and replayed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from devices import catalog as device_catalog
from devices.inputs import input_types
from devices.scheduler import Scheduler
from tests.devices.conformance import fitted
from tests.devices.test_conformance import Rig
from tests.guests.build import REPOSITORY, assemble
from tests.vmdbg.machine.guest_runs import PATIENCE
from vmdbg.api import Guest, launch, open_recording
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.recording import records

PAGE = REPOSITORY / "docs" / "devices.md"
GUEST = """
; org 7c00h
%include "boot_sector.inc"
    boot_sector
    mov dx, 2a0h
wait_for_ring:
    in al, dx
    test al, al
    jz wait_for_ring
    add al, '0'
    out DEBUG_CONSOLE, al
    cmp al, '3'
    jne wait_for_ring
    finish 0
    end_boot_sector
"""
REFUSED = {
    "input doorbell Ring times=11": "nobody rings 11 times",
    'input doorbell Ring times="often"': "times of Ring is of type int",
    "input doorbell Ring loud=1": "'loud=1' is no field of Ring; it has times",
    "input doorbell Knock": "doorbell takes Ring times=",
}


@pytest.fixture
def doorbell(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, and the one line of fitting."""
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    module = ModuleType("devices.board.doorbell")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, str(PAGE), "exec", dont_inherit=True), module.__dict__)
    monkeypatch.setitem(device_catalog.MODULES, "doorbell", module.__name__)
    caches = (input_types, records.input_types_by_name)
    for cached in caches:
        cached.cache_clear()
    yield module
    for cached in caches:
        cached.cache_clear()


def ringing(guest: Guest) -> None:
    guest.run(ticks=200_000)
    assert "doorbell was given Ring" in guest.execute("input doorbell Ring")
    guest.run(ticks=500_000)
    guest.execute("input doorbell Ring times=3")
    guest.run(ticks=PATIENCE)


@pytest.mark.usefixtures("doorbell")
def test_one_file_and_one_line_make_a_device(tmp_path: Path) -> None:
    recording = tmp_path / "bell.rec"
    with launch(assemble(GUEST), devices=["doorbell,irq=7"], record=recording) as guest:
        assert "doorbell" in guest.execute("devices --addable")
        assert "2a0" in guest.execute("devices")
        ringing(guest)
        assert guest.console == "13"
        end, last = digest(guest.debugger.machine), guest.position
    with open_recording(recording) as again:
        again.seek(last)
        assert digest(again.debugger.machine) == end
        assert again.console == "13"


@pytest.mark.usefixtures("doorbell")
def test_an_input_that_makes_no_sense_is_refused_in_words() -> None:
    with launch(assemble(GUEST), devices=["doorbell"]) as guest:
        for line, words in REFUSED.items():
            with pytest.raises(UserError, match=words):
                guest.execute(line)


@pytest.mark.usefixtures("doorbell")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dorbell", "there is no device 'dorbell' to add; there are: debugcon, test-exit, pc-testdev,"),
        ("doorbell,irq=1", "interrupt 1 is not free"),
        ("doorbell,irq=seven", "doorbell,irq is a number"),
        ("doorbell,loud=1", "doorbell has no option 'loud'; it has: id, port, irq, again"),
        ("doorbell,port=0x3f8", "claimed by both com1 and doorbell"),
        ("doorbell,port=0x10000", "no range of I/O ports"),
        ("doorbell,id=pic", "there is a device 'pic' already"),
        ("doorbell,id=a/b", "no name of a device"),
    ],
)
def test_a_device_that_cannot_be_fitted_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        launch(assemble(GUEST), devices=[text])


def test_it_passes_a_conformance_run(doorbell: ModuleType) -> None:
    scheduler = Scheduler()
    rig = Rig(fitted(doorbell.FITTING)(scheduler), scheduler)
    rig.run([("take", 3, b""), ("wait", 2_500_000)])
    saved = rig.save()
    first = rig.run([("read", 0, 0, 1), ("wait", 5_000_000), ("read", 0, 0, 1)])
    assert first == [5, 0]
    rig.restore(saved)
    assert rig.run([("read", 0, 0, 1)]) == [5]
