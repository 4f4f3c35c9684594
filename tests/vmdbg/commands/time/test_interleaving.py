"""`interleaving`, on the sample kernel with three CPUs whose clerks use one ledger without a lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import vmdbg
from tests.guests.build import sample_kernel
from vmdbg.api import Guest
from vmdbg.commands import catalog
from vmdbg.document.lanes_svg import svg
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """At the end of its run."""
    kernel = sample_kernel("sample-smp.elf")
    with vmdbg.launch(kernel, cpus=3, schedule="random:2,most=20k", append="bug=cli autostop") as made:
        made.run()
        yield made


@pytest.fixture(scope="module")
def part(guest: Guest) -> str:
    """In which some entries are made."""
    calls = guest.queries.calls(guest.address_of("enter"), arguments=1)
    return f"{calls[10].position} {calls[20].position}"


def asked(guest: Guest, line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(guest.session.execute(f"interleaving {line} --json"))
    return found


def test_steps_are_in_order_and_each_says_what_where_and_why(guest: Guest, part: str) -> None:
    found = asked(guest, f"{part} --function enter")
    positions = [int(step["position"]) for step in found["steps"]]
    assert positions == sorted(positions)
    assert len(found["cpus"]) > 1
    assert len({step["cpu"] for step in found["steps"]}) > 1
    for step in found["steps"]:
        assert step["where"].startswith("enter+")
        assert "samples/kernel/smp/ledger.c:" in step["where"]
    entries = [step["what"] for step in found["steps"] if step["what"].startswith("writes ledger ")]
    assert entries
    for entry in entries:
        old, new = entry.removeprefix("writes ledger ").split(" -> ")
        assert int(new) == int(old) + 1
    for link in found["links"]:
        first, second = (found["steps"][link[name]] for name in ("first", "second"))
        assert link["first"] < link["second"]
        assert first["cpu"] != second["cpu"]


def test_what_is_read_is_what_another_cpu_wrote_last(guest: Guest, part: str) -> None:
    found = asked(guest, f"{part} --address ledger --size 8")
    steps = found["steps"]
    read = [link for link in found["links"] if link["why"] == "reads what was written"]
    assert read
    for link in read:
        written = steps[link["first"]]["what"].rpartition(" -> ")[2]
        assert steps[link["second"]]["what"] == f"reads ledger = {written}"


def test_an_instant_that_is_shown_can_be_gone_to(guest: Guest, part: str) -> None:
    step = asked(guest, f"{part} --address ledger")["steps"][-1]
    here = guest.position
    try:
        guest.session.run(f"goto {step['position']}")
        assert guest.memory.u64("ledger") == int(step["what"].split()[-1])
    finally:
        guest.seek(here)


def test_all_of_memory_has_the_words_of_locks_and_the_messages_too(guest: Guest) -> None:
    found = asked(guest, "370_900_000 371_000_000")
    assert {step["kind"] for step in found["steps"]} >= {"read", "write", "message", "interrupt"}
    (sent,) = (number for number, step in enumerate(found["steps"]) if step["what"].startswith("sends "))
    told = [link["second"] for link in found["links"] if (link["first"], link["why"]) == (sent, "was told")]
    assert {found["steps"][second]["cpu"] for second in told} == {"CPU 1", "CPU 2"}
    words = found["steps"][sent]["what"].removeprefix("sends ").partition(" to ")[0]
    assert {found["steps"][second]["what"] for second in told} == {f"is interrupted: {words}"}
    assert any(step["what"].startswith("changes scheduler_lock ") for step in found["steps"])


def test_it_fits_a_terminal(guest: Guest, part: str) -> None:
    for line in (part, f"{part} --function enter", f"{part} --address ledger", "370_900_000 371_000_000"):
        shown = guest.execute(f"interleaving {line}").splitlines()
        assert max(len(row) for row in shown if not row.startswith("folded")) < 80


def test_cpus_can_be_chosen(guest: Guest, part: str) -> None:
    names = asked(guest, f"{part} --function enter")["cpus"]
    two = [name.removeprefix("CPU ") for name in names[:2]]
    found = asked(guest, f"{part} --function enter --cpu {two[0]} --cpu {two[1]}")
    assert {step["cpu"] for step in found["steps"]} <= set(names[:2])


def test_it_is_drawn_into_a_new_file(guest: Guest, part: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    steps = asked(guest, f"{part} --function enter")["steps"]
    assert f"{path}: drawn" in guest.execute(f"interleaving {part} --function enter --svg {path}")
    tree = ElementTree.parse(path)
    assert len(tree.findall("{http://www.w3.org/2000/svg}circle")) == len(steps)
    with pytest.raises(vmdbg.UserError, match="exists"):
        guest.execute(f"interleaving {part} --function enter --svg {path}")
    session = Session(guest.debugger, catalog.commands(), allowed=Effect.NONE, owner="looker")
    try:
        assert "may not write files" in session.execute(f"interleaving {part} --function enter --svg x.svg")
    finally:
        session.close()


def test_scripts_have_the_same_as_values_and_as_a_picture(guest: Guest, part: str) -> None:
    begin, end = part.split()
    chart = guest.interleaving(begin, end, function="enter")
    assert [entry.what for entry in chart.entries] == [
        step["what"] for step in asked(guest, f"{part} --function enter")["steps"]
    ]
    assert svg(chart, "the ledger").startswith("<svg")


def test_looking_leaves_no_trace_and_can_be_ended(guest: Guest, part: str) -> None:
    before = guest.position, digest(guest.debugger.machine), guest.debugger.engine.selected
    guest.execute(f"interleaving {part}")
    assert (guest.position, digest(guest.debugger.machine), guest.debugger.engine.selected) == before

    def enough(_: float) -> None:
        raise KeyboardInterrupt

    guest.session.progress = enough
    try:
        with pytest.raises(KeyboardInterrupt):
            guest.session.run(f"interleaving {part}")
    finally:
        guest.session.progress = None
    assert (guest.position, digest(guest.debugger.machine), guest.debugger.engine.selected) == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("start end", "at most 20,000,000 ticks"),
        ("end start", "is not before"),
        ("{part} --address ledger --function enter", "not both"),
        ("{part} --size 8", "give that too"),
        ("{part} --cpu 7", "there is no CPU 7"),
        ("{part} --cpu 1", "two CPUs at least"),
        ("{part} --function nowhere", "nowhere"),
        ("{part}", "too many"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    guest: Guest, part: str, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = line.format(part=part)
    if words == "too many":
        monkeypatch.setattr("vmdbg.commands.time.interleaving.MOST_DRAWN", 1)
        line += " --svg picture.svg"
    assert words in guest.session.execute(f"interleaving {line}")


def test_a_guest_with_one_cpu_has_none(session: Session) -> None:
    assert "this guest has one" in session.execute("interleaving -1000 here")
