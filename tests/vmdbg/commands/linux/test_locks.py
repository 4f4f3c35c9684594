"""Locks that somebody waits for, in guests where it is known who has them and who waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.linux_assets import busybox_initrd
from tests.vmdbg.os.conftest import fetch_or_skip
from tests.vmdbg.os.lock_modules import SLEEPING, SPINNING, lock_module
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.lock_words import LockKind
from vmdbg.os.linux.locks import HeldLock, Locks, cycles
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.linux import need_linux
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick
from vmdbg.x86.topology import Topology

APPEND = "console=ttyS0"
QUICK = ("6.1-cloud",)
SLOW = ("5.10-cloud", "6.1-generic", "6.12-cloud", "newest-cloud")
SLICE = 20_000_000
LATEST = Tick(20_000_000_000)


@pytest.fixture(scope="module", params=[*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def sleeping(request: pytest.FixtureRequest) -> Iterator[Session]:
    """All in their places."""
    with in_place(request.param, "sleeping", SLEEPING, 7) as made:
        yield made


@contextmanager
def in_place(label: str, name: str, source: str, waiters: int, cpus: int = 1) -> Iterator[Session]:
    """A guest whose module has come to where all of its threads wait that are to."""
    kernel = fetch_or_skip(label)
    script = f"#!/bin/sh\ninsmod /{name}.ko\necho it-is-in-$((40 + 2))\n".encode()
    initrd = busybox_initrd({f"{name}.ko": lock_module(kernel, name, source), "autorun": script})
    files = GuestFiles(kernel=str(kernel.image), initrd=str(initrd), append=APPEND)
    started, said = start(files, MachineConfig(topology=Topology(cores=cpus))), bytearray()
    started.machine.serial[0].listeners.append(lambda _port, data, _now: said.extend(data))
    debugger = Debugger(Timeline(started.machine, origin=started.origin))
    try:
        timeline, session = debugger.timeline, Session(debugger, catalog.commands(), allowed=Effect.NONE)
        while b"it-is-in-42" not in said or waiting(session) < waiters:
            assert timeline.position.tick < LATEST, said[-500:]
            timeline.run(Tick(timeline.position.tick + SLICE))
        yield session
    finally:
        debugger.close()


def waiting(session: Session) -> int:
    return sum(len(lock.waiters) for lock in need_linux(session.system).locks().held)


@pytest.fixture(scope="module")
def spinning() -> Iterator[Session]:
    with in_place("6.1-cloud", "spinning", SPINNING, 3, cpus=4) as made:
        yield made


@pytest.fixture(scope="module")
def found(sleeping: Session) -> Locks:
    return need_linux(sleeping.system).locks()


def lock(found: Locks, session: Session, name: str) -> HeldLock:
    address = need_linux(session.system).symbols.address_of(name)
    return next(one for one in found.held if one.address == address)


def shown(one: HeldLock) -> tuple[LockKind, str, str, list[tuple[str, str]]]:
    holder = one.holder.name if one.holder is not None else ""
    return one.kind, holder, one.unknown, sorted((waiting.task.name, waiting.wants) for waiting in one.waiters)


def test_who_has_what_and_who_waits(found: Locks, sleeping: Session) -> None:
    def at(name: str) -> tuple[LockKind, str, str, list[tuple[str, str]]]:
        return shown(lock(found, sleeping, f"sleeping:{name}"))

    assert at("first") == (LockKind.MUTEX, "abba-1", "", [("abba-2", ""), ("third", "")])
    assert at("second") == (LockKind.MUTEX, "abba-2", "", [("abba-1", "")])
    assert at("seats") == (LockKind.SEMAPHORE, "", "the kernel does not keep who has it", [("standing", "")])
    assert at("urgent") == (LockKind.RT_MUTEX, "eager", "", [("calm", "")])
    kind, holder, unknown, waiters = at("register_of_names")
    assert (kind, holder, waiters) == (LockKind.RWSEM, "", [("late-reader", "read"), ("writer", "write")])
    reader = sleeping.system.named("reader")
    assert unknown == f"1 reader, the last that came reader ({reader.pid})"
    assert len(found.held) == 5
    assert not found.unclear


def test_a_circle_is_found_and_who_only_waits_for_it_is_not_in_it(found: Locks) -> None:
    (circle,) = cycles(found.held)
    assert sorted(task.name for task, _ in circle) == ["abba-1", "abba-2"]
    holders = [lock.holder.name if lock.holder is not None else "" for _, lock in circle]
    assert holders == [circle[1][0].name, circle[0][0].name]


def test_who_spins_for_what_and_who_took_it(spinning: Session) -> None:
    found = need_linux(spinning.system).locks()
    assert not found.unclear
    wanted = {"upper": ["spin-third", "spin-up"], "lower": ["spin-down"]}
    cpus = {"spin-up": 1, "spin-down": 2, "spin-third": 3}
    for name, waiters in wanted.items():
        one = lock(found, spinning, f"spinning:{name}")
        unknown = "the kernel does not keep who has it"
        assert shown(one) == (LockKind.SPINLOCK, "", unknown, [(waiter, "") for waiter in waiters])
        assert all(waiting.cpu == cpus[waiting.task.name] for waiting in one.waiters)
    assert not cycles(found.held), "who has them is not known yet"


def test_history_tells_who_took_a_spinlock_and_since_when_others_spin(spinning: Session) -> None:
    before = digest(spinning.debugger.machine)
    told = json.loads(spinning.execute("locks --json"))
    holders = {one["name"]: one["holder"]["name"] for one in told["locks"]}
    assert holders == {"upper [spinning]": "spin-down", "lower [spinning]": "spin-up"}
    timeline, position = spinning.debugger.timeline, spinning.debugger.position
    for one in told["locks"]:
        address, taken = Linear(int(one["address"], 16)), Tick(int(one["since"]))
        with elsewhen(spinning, Position(taken)):
            assert spinning.debugger.engine.read_integer(address, 1) == 1
        with elsewhen(spinning, Position(Tick(taken - 1000))):
            assert spinning.debugger.engine.read_integer(address, 1) == 0
        assert all(taken < int(waiter["since"]) < position.tick for waiter in one["waiters"])
    names = {task.pid: task.name for task in need_linux(spinning.system).tasks()}
    assert [{names[pid] for pid in circle} for circle in told["deadlocks"]] == [{"spin-up", "spin-down"}]
    assert "deadlock: " in spinning.execute("locks")
    assert (timeline.position, digest(spinning.debugger.machine)) == (position, before)


def test_history_tells_since_when_sleepers_wait(sleeping: Session) -> None:
    told = json.loads(sleeping.execute("locks --json"))
    first = next(one for one in told["locks"] if one["name"] == "first [sleeping]")
    assert first["holder"]["name"] == "abba-1"
    since = {waiter["name"]: int(waiter["since"]) for waiter in first["waiters"]}
    assert int(first["since"]) < since["abba-2"] < since["third"]
    assert len(told["deadlocks"]) == 1
    with elsewhen(sleeping, Position(Tick(int(first["since"])))):
        assert need_linux(sleeping.system).current().name == "abba-1"
    assert all(one["since"] is None for one in json.loads(sleeping.execute("locks --now --json"))["locks"])


def test_cpus_have_the_lock_that_each_spins_for(spinning: Session) -> None:
    before = spinning.debugger.position, digest(spinning.debugger.machine)
    rows = json.loads(spinning.execute("cpus --json"))
    assert [row["spins_for"] for row in rows] == [
        "",
        "spinlock upper [spinning]",
        "spinlock lower [spinning]",
        "spinlock upper [spinning]",
    ]
    assert (spinning.debugger.position, digest(spinning.debugger.machine)) == before
