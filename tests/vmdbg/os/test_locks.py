"""Locks that somebody waits for, in guests where it is known who has them and who waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.linux_assets import busybox_initrd
from tests.vmdbg.gdb.guests import guest
from tests.vmdbg.os.conftest import fetch_or_skip
from tests.vmdbg.os.lock_modules import SLEEPING, lock_module
from vmdbg.commands import catalog
from vmdbg.os.linux.lock_words import LockKind
from vmdbg.os.linux.locks import HeldLock, Locks, cycles
from vmdbg.session.linux import need_linux
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.units import Tick

APPEND = "console=ttyS0"
QUICK = ("6.1-cloud",)
SLOW = ("5.10-cloud", "6.1-generic", "6.12-cloud", "newest-cloud")
SLICE = 50_000_000
LATEST = Tick(60_000_000_000)


@pytest.fixture(scope="module", params=[*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def sleeping(request: pytest.FixtureRequest) -> Iterator[Session]:
    """All in their places."""
    kernel = fetch_or_skip(request.param)
    script = b"#!/bin/sh\ninsmod /sleeping.ko\nsleep 1\necho all in place\n"
    initrd = busybox_initrd({"sleeping.ko": lock_module(kernel, "sleeping", SLEEPING), "autorun": script})
    with guest(kernel.image.read_bytes(), memory=256 << 20, append=APPEND, initrd=initrd.read_bytes()) as made:
        while "all in place" not in made.output:
            assert made.debugger.timeline.position.tick < LATEST, made.output[-500:]
            made.debugger.timeline.run(Tick(made.debugger.timeline.position.tick + SLICE))
        yield Session(made.debugger, catalog.commands(), allowed=Effect.NONE)


@pytest.fixture(scope="module")
def found(sleeping: Session) -> Locks:
    return need_linux(sleeping.system).locks()


def lock(found: Locks, sleeping: Session, name: str) -> HeldLock:
    address = need_linux(sleeping.system).symbols.address_of(f"sleeping:{name}")
    return next(one for one in found.held if one.address == address)


def shown(one: HeldLock) -> tuple[LockKind, str, str, list[tuple[str, str]]]:
    holder = one.holder.name if one.holder is not None else ""
    return one.kind, holder, one.unknown, sorted((waiting.task.name, waiting.wants) for waiting in one.waiters)


def test_who_has_what_and_who_waits(found: Locks, sleeping: Session) -> None:
    def at(name: str) -> tuple[LockKind, str, str, list[tuple[str, str]]]:
        return shown(lock(found, sleeping, name))

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
