"""Races of what a function accesses, over a history in which its data's memory is something else at other times."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import vmdbg
from tests.guests.build import sample_kernel
from vmdbg.api import Guest


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    with vmdbg.launch(sample_kernel("sample-smp.elf"), cpus=3, append="autostop") as made:
        made.run()
        yield made


def test_its_time_is_looked_at_and_what_is_polled_is_left_out_and_named(guest: Guest) -> None:
    found = json.loads(guest.session.execute("query races --function deposit --json"))
    first, last = (int(one) for one in found["between"])
    runs = [int(row["position"]) for row in json.loads(guest.session.execute("query calls deposit 0 --json"))]
    assert 0 < first < runs[0]
    assert runs[-1] < last < guest.end.tick
    assert found["busy"], "the first thread polls how far the others are"
    assert found["accesses"] > 1000
    shown = guest.execute("query races --function deposit")
    assert f"from {first} to {last}, about when the function runs" in shown
    assert f"not looked at: 8 bytes at {found['busy'][0]}, accessed more than" in shown


def test_a_time_that_is_given_is_the_one_that_is_looked_at(guest: Guest) -> None:
    calls = json.loads(guest.session.execute("query calls deposit 0 --json"))
    first, last = calls[0]["position"], calls[-1]["position"]
    found = json.loads(guest.session.execute(f"query races --function deposit --from {first} --to {last} --json"))
    assert found["between"] is None
    assert found["accesses"] > 1000


def test_too_many_accesses_are_refused_as_soon_as_there_are(guest: Guest) -> None:
    found = json.loads(guest.session.execute("query races --function deposit --json"))
    with pytest.raises(vmdbg.UserError, match="more than 200,000 accesses up to"):
        guest.execute(f"query races {found['busy'][0]} 8")
