"""Guests that have nothing to do with each other live in one process: each does what it does alone."""

import gc
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import sample_kernel
from tests.linux_assets import busybox_initrd, cloud_kernel
from vmdbg.machine.digest import Digest

STRIDES = (1, 17, 4_097, 100_000, 3_000_000, 20_000_000)
MEGABYTE = 1 << 20


def sample() -> vmdbg.Guest:
    return vmdbg.launch(sample_kernel(), memory="16M")


def sample_that_ends() -> vmdbg.Guest:
    return vmdbg.launch(sample_kernel(), memory="16M", append="autostop")


def two_cpus() -> vmdbg.Guest:
    return vmdbg.launch(cpus=2, schedule="random:3", memory="32M")


def linux() -> vmdbg.Guest:
    return vmdbg.launch(cloud_kernel(), initrd=busybox_initrd(), memory="128M")


ENDS: dict[Callable[[], vmdbg.Guest], int] = {
    sample: 60_000_000,
    sample_that_ends: 60_000_000,
    two_cpus: 40_000_000,
    linux: 150_000_000,
}


@pytest.fixture(scope="module")
def alone() -> dict[Callable[[], vmdbg.Guest], Digest]:
    found = {}
    for make, end in ENDS.items():
        with make() as guest:
            guest.run(end)
            found[make] = guest.digest()
    return found


def _debugged(guest: vmdbg.Guest, end: int, chance: random.Random) -> None:
    """A bit of the run, and now and then what a user does on the way."""
    guest.run(min(chance.choice(STRIDES), end - guest.tick))
    match chance.randrange(8):
        case 0:
            guest.seek(chance.randrange(guest.tick + 1))
            guest.seek("end")
        case 1:
            guest.step(3)
            guest.reverse_step(3)
            guest.seek("end")
        case 2:
            point = guest.break_at(guest.pc + chance.randrange(1 << 12))
            guest.run(max(0, min(100_000, end - guest.tick)))
            guest.delete(point)
        case 3:
            point = guest.watch(guest.registers.rsp - 8, 8)
            guest.run(max(0, min(10_000, end - guest.tick)))
            guest.delete(point)


@pytest.mark.parametrize("seed", range(2))
def test_taken_in_turns_each_is_what_it_is_alone(
    seed: int, alone: dict[Callable[[], vmdbg.Guest], Digest], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    guests = {make: make() for make in ENDS}
    for make, guest in guests.items():
        guest.record(tmp_path / f"{make.__name__}.vmdbg")
    left = list(ENDS)
    while left:
        make = chance.choice(left)
        _debugged(guests[make], ENDS[make], chance)
        if guests[make].tick >= ENDS[make]:
            guests[make].seek("end")
            left.remove(make)
    for make in ENDS:
        guests[make].seek(ENDS[make])
        assert guests[make].digest() == alone[make]
        guests[make].close()
    for make in ENDS:
        with vmdbg.open_recording(tmp_path / f"{make.__name__}.vmdbg") as replayed:
            replayed.seek(ENDS[make])
            assert replayed.digest() == alone[make]


def test_at_once_in_threads_each_is_what_it_is_alone(alone: dict[Callable[[], vmdbg.Guest], Digest]) -> None:
    found = {}

    def run(make: Callable[[], vmdbg.Guest]) -> None:
        with make() as guest:
            while guest.tick < ENDS[make]:
                guest.run(min(2_000_000, ENDS[make] - guest.tick))
            found[make] = guest.digest()

    threads = [threading.Thread(target=run, args=(make,)) for make in ENDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == alone


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory the process has")
def test_a_closed_guest_has_given_its_memory_back_though_scripts_still_have_it() -> None:
    kept: list[vmdbg.Guest] = []
    closed: list[int] = []
    for _ in range(4):
        guest = linux()
        guest.run(ENDS[linux])
        running = _resident()
        guest.close()
        guest.close()
        kept.append(guest)
        gc.collect()
        closed.append(_resident())
        assert running - closed[-1] > 40 * MEGABYTE  # of what the guest alone had touched
    assert closed[-1] - closed[0] < 100 * MEGABYTE  # three more, each of which had more than that
