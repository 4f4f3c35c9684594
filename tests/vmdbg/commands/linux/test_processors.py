"""runq, and whom a CPU runs, on a guest with one; test_processors.py of the os tests has several."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_runq_shows_the_cpu_and_what_it_runs(linux: Session) -> None:
    (queue,) = json.loads(linux.execute("runq --json"))
    current = json.loads(linux.execute("current --json"))
    assert queue["cpu"] == 0
    assert queue["current"]["pid"] == current["pid"]
    assert queue["idle"] is (current["pid"] == 0)
    assert queue["running"] == len(queue["queued"]) + (not queue["idle"])
    first = linux.execute("runq").splitlines()
    assert first[0].split() == ["cpu", "pid", "state", "prio", "vruntime", "task", "name"]
    assert "=>" in first[1]


def test_of_one_cpu_no_numbers_are_shown(linux: Session) -> None:
    assert "cpu" not in json.loads(linux.execute("current --json"))
    assert "cpu" not in json.loads(linux.execute("ps --json"))[0]
    (row,) = json.loads(linux.execute("current --all --json"))
    assert (row["cpu"], row["name"].split()[0]) == (0, json.loads(linux.execute("current --json"))["name"])


def test_per_cpu_variables_are_named_as_in_c(linux: Session) -> None:
    for form in ("per_cpu(runqueues, 0)", "per_cpu(runqueues)", "$lx_per_cpu('runqueues', 0)", 'per_cpu("runqueues")'):
        assert linux.execute(f"print {form}.cpu") == linux.execute("print per_cpu('runqueues').cpu"), form
    assert "Linux has no CPU 1: there are 0" in linux.execute("print per_cpu(runqueues, 1)")
    assert linux.execute("print variable(init_task).pid").strip().endswith("0")
