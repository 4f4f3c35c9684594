"""Sessions at guests with several CPUs leave no trace, whatever the schedule, live and in the past.

They set points of one CPU, catch locked instructions, look at locks and run queues, ask for races, step, go back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import vmdbg
from tests.determinism.prompt_sessions import Places, debug
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from vmdbg.host.sample import sample_path
from vmdbg.machine.digest import Digest

SAMPLE = Places(
    functions=("deposit", "teller_main", "ledger_run", "thread_yield", "mutex_lock", "spin_acquire", "idle"),
    variables=("ledger 8", "ledger_lock 4"),
    looks=("query races --function ledger_run --from {start} --limit 2", "query writes ledger 8 --limit 3"),
)
LINUX = Places(
    functions=("do_sys_openat2", "try_to_wake_up", "finish_task_switch.isra.0", "tick_sched_timer"),
    variables=("jiffies", "rsp"),
    looks=(
        "runq",
        "locks --now",
        "locks",
        "ps",
        "current",
        "query races jiffies 8 --from {start} --limit 2",
        "query switches --limit 3",
    ),
)
LISTED = "turns:" + " ".join(f"{n * 7 % 4}*{200 + 7919 * n % 90_000}" for n in range(3000))
SCHEDULES = ("round-robin:7k", "random:11,most=90k", "pct:5,4,length=300M", LISTED)
QUICK = ((4, SCHEDULES[1]), (2, LISTED))
TELLERS, LEDGER = 60_000_000, 16_000_000
"""Ticks from the beginning, and before the end, when threads of all CPUs take turns at what they share."""
STARTING = 536_000_000
"""Linux is about to start its other CPUs."""
ids = [schedule[:12] for schedule in SCHEDULES]


@contextmanager
def sample(cpus: int, schedule: str) -> Iterator[vmdbg.Guest]:
    with vmdbg.launch(cpus=cpus, schedule=schedule, memory="16M", append="autostop") as guest:
        guest.load_symbols(sample_path(cpus))
        yield guest


def to_tick(guest: vmdbg.Guest, tick: int) -> Digest:
    guest.run(tick - guest.tick)
    return guest.digest()


CASES = [
    pytest.param(
        cpus, schedule, marks=() if (cpus, schedule) in QUICK else pytest.mark.slow, id=f"{cpus}-{schedule[:12]}"
    )
    for cpus in (2, 4)
    for schedule in SCHEDULES
]


@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_a_session_at_the_sample_does_not_show(cpus: int, schedule: str) -> None:
    rng = random.Random(cpus)
    with sample(cpus, schedule) as guest:
        guest.run()
        assert guest.debugger.machine.ending is not None
        undisturbed, end = guest.digest(), guest.tick
    with sample(cpus, schedule) as guest:
        to_tick(guest, TELLERS)
        live = debug(guest, SAMPLE, rng, ticks=2_000_000, rounds=3, far=False)
        to_tick(guest, end - LEDGER)
        live += debug(guest, SAMPLE, rng, ticks=2_000_000, rounds=2, far=False)
        guest.run()
        assert guest.digest() == undisturbed
        guest.seek(end - LEDGER)
        past = debug(guest, SAMPLE, rng, ticks=1_000_000, rounds=2, far=True)
        assert len(live) > 8 < len(past)
        guest.seek(guest.end)
        assert guest.digest() == undisturbed


COMMANDS = "for i in 1 2 3 4; do (echo $i; cat /proc/uptime >/dev/null) & done; wait; echo done\r"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=ids)
def test_a_session_at_linux_does_not_show(cpus: int, schedule: str) -> None:
    """Live, from before its other CPUs are started to a typed command's end; and again in the past."""
    rng = random.Random(cpus)

    def linux() -> vmdbg.Guest:
        return vmdbg.launch(cloud_kernel(), initrd=busybox_initrd(), cpus=cpus, schedule=schedule, memory="128M")

    with linux() as guest:
        guest.expect(PROMPT)
        booted = guest.tick
        guest.send(COMMANDS)
        guest.expect("done\r")
        end = guest.tick + 20_000_000
        undisturbed = to_tick(guest, end)
        changed = _changed_by_hand(guest)
    with linux() as guest:
        to_tick(guest, STARTING)
        live = debug(guest, LINUX, rng, ticks=4_000_000, rounds=2, far=False)
        to_tick(guest, booted)
        guest.send(COMMANDS)
        live += debug(guest, LINUX, rng, ticks=4_000_000, rounds=2, far=False)
        assert to_tick(guest, end) == undisturbed
        guest.seek(booted)
        past = debug(guest, LINUX, rng, ticks=2_000_000, rounds=2, far=True)
        assert len(live) > 8 < len(past)
        guest.seek(guest.end)
        assert guest.digest() == undisturbed
        assert _changed_by_hand(guest) == changed, "from here on by another schedule"
        guest.seek(booted)
        guest.seek(guest.end)
        assert guest.digest() == changed, "which is part of the history"


def _changed_by_hand(guest: vmdbg.Guest) -> Digest:
    guest.reschedule("random:3,most=50k")
    return to_tick(guest, guest.tick + 20_000_000)
