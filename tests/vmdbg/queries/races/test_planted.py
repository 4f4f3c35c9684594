"""Bugs that two CPUs show, planted in modules of Linux, and looked for in a run in which nothing went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vmdbg.queries.races.planted import planted
from vmdbg.machine.digest import digest
from vmdbg.session.session import Session

TELLERS = {0: "teller/0", 1: "teller/1"}


@pytest.fixture(scope="module")
def counter() -> Iterator[Session]:
    """All deposits are there."""
    with planted("counter") as (session, said):
        assert b"counter: 200 of 200 deposits" in said
        yield session


def asked(session: Session, question: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(session.execute(f"query races {question} --json"))
    return found


@pytest.mark.parametrize("question", ["balance", "--address balance", "--function deposit", "balance 4"])
def test_a_counter_without_a_lock_is_found_though_nothing_was_lost(counter: Session, question: str) -> None:
    found = asked(counter, question)
    assert {race["name"] for race in found["races"]} == {"balance [counter]"}
    assert all(race["unordered"] for race in found["races"])
    kinds = {(race["first"]["writes"], race["second"]["writes"]) for race in found["races"]}
    assert kinds == {(True, False), (False, True), (True, True)}
    for race in found["races"]:
        assert race["times"] == 100
        for side in (race["first"], race["second"]):
            assert side["where"].startswith("deposit+")
            assert side["task"].startswith(TELLERS[side["cpu"]])
            assert side["locks"] == []
            assert [place.split("+")[0] for place in side["stack"]] == ["deposit", "teller", "kthread", "ret_from_fork"]


@pytest.mark.parametrize("question", ["audited", "--function audit"])
def test_the_one_with_a_lock_is_none_and_the_report_says_what_was_looked_at(counter: Session, question: str) -> None:
    found = asked(counter, question)
    assert found["races"] == []
    assert found["accesses"] >= 200
    assert found["order"]["locks of Linux"] >= 200
    assert {"spinlocks", "mutexes", "wake-ups and switches of tasks"} <= set(found["families"])
    assert "no race among" in counter.execute(f"query races {question}")


def test_the_report_has_both_stacks_and_leaves_no_trace(counter: Session) -> None:
    before = counter.debugger.position, digest(counter.debugger.machine)
    report = counter.execute("query races --function deposit --limit 1")
    assert "3 races among" in report
    assert report.count("deposit+") == 2
    assert "CPU 0" in report
    assert "CPU 1" in report
    assert "2 more; --limit shows more" in report
    assert (counter.debugger.position, digest(counter.debugger.machine)) == before


def test_a_shorter_time_has_fewer(counter: Session) -> None:
    calls = json.loads(counter.execute("query calls deposit 0 --json"))
    middle = calls[100]["position"]
    assert asked(counter, f"balance --to {middle}")["accesses"] < asked(counter, "balance")["accesses"]
    assert "is not before" in counter.execute(f"query races balance --from {middle} --to {middle}")


def test_an_interleaving_has_tasks_locks_and_values(counter: Session) -> None:
    calls = json.loads(counter.execute("query calls deposit 0 --json"))
    mixed = next(n for n in range(1, len(calls)) if calls[n]["cpu"] != calls[n - 1]["cpu"])
    begin, end = calls[max(mixed - 3, 0)]["position"], calls[mixed + 3]["position"]
    before = counter.debugger.position, digest(counter.debugger.machine)
    found = json.loads(counter.execute(f"interleaving {begin} {end} --function deposit --json"))
    first, second = (found["steps"][found["links"][0][which]] for which in ("first", "second"))
    assert first["what"].startswith("writes balance [counter] ")
    assert second["what"] == f"reads balance [counter] = {first['what'].split()[-1]}"
    assert {first["where"].split("+")[0], second["where"].split("+")[0]} == {"deposit"}
    everything = json.loads(counter.execute(f"interleaving {begin} {end} --json"))
    done = [step["what"] for step in everything["steps"]]
    for words in ("takes audit_lock [counter]", "gives back audit_lock [counter]", "changes audited [counter] "):
        assert any(what.startswith(words) for what in done), words
    kernel = [step["what"] for step in everything["steps"] if step["where"]]  # programs have locks without names
    assert not any("phys:" in what for what in kernel), "a lock is told once, by its name"
    assert (counter.debugger.position, digest(counter.debugger.machine)) == before


def test_interrupts_between_cpus_have_the_names_of_linux(counter: Session) -> None:
    rows = json.loads(counter.execute("query ipis --json"))
    assert {row["name"] for row in rows if row["mode"] == "fixed"} <= {
        "RESCHEDULE", "CALL_FUNCTION", "CALL_FUNCTION_SINGLE", "IRQ_WORK",
    }  # fmt: skip
    assert {"CALL_FUNCTION", "CALL_FUNCTION_SINGLE"} & {row["name"] for row in rows}
    (started,) = (row for row in rows if row["mode"] == "start_up" and row["accepted"])
    assert (started["cpu"], started["to"]) == (0, 1)


def test_what_makes_no_sense_is_refused_in_words(counter: Session) -> None:
    for question, words in {
        "": "all of memory is looked at for at most 20,000,000 ticks",
        "balance 8 8": "takes an address, and perhaps how many bytes",
        "balance --function deposit": "takes --address or --function, not both",
        "--function nowhere_at_all": "nowhere_at_all",
        "balance if rax": "a condition means nothing to races",
        "balance --failed": "--failed means nothing to races",
    }.items():
        assert words in counter.execute(f"query races {question}"), question
    assert "--from means nothing to writes" in counter.execute("query writes balance --from start")


def test_a_double_free_is_a_race_for_who_looks_first() -> None:
    with planted("double_free") as (session, said):
        assert b"double_free: 60 of 60" in said
        races = asked(session, "--function give_back")["races"]
        assert races[0]["name"] == "receipts [double_free]"
        assert all({race["first"]["cpu"], race["second"]["cpu"]} == {0, 1} for race in races)


def test_locks_in_either_order_are_no_race() -> None:
    with planted("abba") as (session, said):
        assert b"abba: 1000 and 1000" in said
        assert asked(session, "--function transfer")["races"] == []
        assert session.execute("locks --now") == "nobody waits for a lock\n"


def test_ipis_say_what_linux_has_the_other_cpu_run(counter: Session) -> None:
    """Each function is executed by that CPU, behind its taking the interrupt and before it takes the next."""
    rows = json.loads(counter.execute("query ipis --json"))
    named = [row for row in rows if row["runs"].startswith("do_sync_core(")]
    assert len(named) > 10
    assert all(row["name"] == "CALL_FUNCTION_SINGLE" for row in named)
    ran = json.loads(counter.execute("query executions do_sync_core --json"))
    for row in named:
        taken = int(row["accepted"].partition("+")[0])
        assert any(taken < int(one["position"]) < taken + 100_000 and one["cpu"] == row["to"] for one in ran)
    words = {row["runs"] for row in rows}
    assert {"do_flush_tlb_all(all)", "wakes rcu_preempt (15)"} <= words
    assert all(not row["runs"] for row in rows if row["name"] == "RESCHEDULE")


def test_catch_ipi_stops_behind_those_that_query_lists(counter: Session) -> None:
    timeline = counter.debugger.timeline
    before = timeline.position, digest(counter.debugger.machine)
    rows = json.loads(counter.execute("query ipis --json"))
    wanted = [int(row["position"]) for row in rows if (row["name"], row["cpu"]) == ("CALL_FUNCTION_SINGLE", 1)]
    counter.run("catch ipi call_function_single --cpu 1")
    for place in reversed(wanted[-5:]):
        shown = counter.execute("reverse-continue")
        assert "caught interrupt 0xfb from CPU 1 to CPU 0" in shown
        assert place < timeline.position.tick < place + 16
    for place in wanted[-4:]:
        counter.run("continue")
        assert place < timeline.position.tick < place + 16
    assert "no interrupt is called" in counter.execute("catch ipi RESHEDULE")
    counter.run("uncatch ipi")
    timeline.seek(before[0])
    assert (timeline.position, digest(counter.debugger.machine)) == before


def test_an_interrupt_that_waits_is_named_with_what_it_is_for(counter: Session) -> None:
    rows = json.loads(counter.execute("query ipis --json"))
    row = next(row for row in rows if row["runs"].startswith("do_sync_core("))
    timeline = counter.debugger.timeline
    before, number = timeline.position, row["to"]
    counter.run(f"goto {int(row['position']) + 16}")
    waits = {cpu["cpu"]: cpu["to_be_taken"] for cpu in json.loads(counter.execute("cpus --json"))}
    assert waits[number].startswith("CALL_FUNCTION_SINGLE: do_sync_core(")
    assert "fb (CALL_FUNCTION_SINGLE: do_sync_core(" in counter.execute(f"devices lapic{number or ''}")
    timeline.seek(before)
