"""Stock kernels in a known state, as QEMU leaves them, with what they say about themselves."""

from __future__ import annotations

import gc
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, lru_cache

import pytest

from tests.vmdbg.os.kernels import Kernel, fetch
from tests.vmdbg.os.own_machine import OwnGuest, boot, started
from tests.vmdbg.os.qemu_guest import DumpView, Truth, snapshot
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.operating_system import Linux, LinuxDetector


@dataclass(frozen=True)
class Guest:
    """A stopped guest, seen through our own eyes and by itself."""

    view: DumpView
    truth: Truth
    linux: Linux


QUICK = ("6.1-cloud", "")
OWN = "on vmdbg"
BUSY = "keep_busy"
CPUS = 4
"""Of a guest that is told BUSY."""
OWN_MOVED = "on vmdbg, unpacking itself"
SLOW = (
    ("6.1-cloud", "nokaslr"),
    ("6.1-generic", ""),
    ("6.1-generic", "nokaslr"),
    ("5.10-cloud", ""),
    ("6.12-cloud", ""),
    ("newest-cloud", ""),
    ("6.1-cloud", BUSY),
    ("5.10-cloud", BUSY),
    ("6.12-cloud", BUSY),
    ("newest-cloud", BUSY),
    ("6.1-generic", OWN),
    ("6.1-cloud", OWN_MOVED),
    ("6.1-generic", OWN_MOVED),
    ("5.10-cloud", OWN),
    ("6.12-cloud", OWN),
    ("newest-cloud", OWN),
)


@cache
def fetch_or_skip(label: str) -> Kernel:
    if not shutil.which("qemu-system-x86_64") or not shutil.which("busybox"):
        pytest.skip("needs qemu-system-x86_64 and a static busybox")
    try:
        return fetch(label)
    except (OSError, subprocess.CalledProcessError, IndexError, StopIteration) as error:
        pytest.skip(f"kernel {label} cannot be had: {error}")


_machines = ExitStack()


@cache
def _booted(label: str) -> OwnGuest:
    """One boot on our own machine serves all tests of a session."""
    own = _machines.enter_context(started(fetch_or_skip(label), "crash_at_end"))
    boot(own)
    return own


def _frozen(own: OwnGuest) -> tuple[DumpView, Truth]:
    own.timeline.seek(Position(own.ready))
    return own.frozen(), own.said


@lru_cache(maxsize=2)
def _guest(label: str, arguments: str) -> Guest:
    """Each is a copy of its RAM and the kernel's types: few are kept."""
    gc.collect()  # what knows a kernel goes round, and one is a quarter of a gigabyte
    kernel = fetch_or_skip(label)
    if (label, arguments) == (QUICK[0], OWN):
        view, truth = _frozen(_booted(label))
    elif arguments in (OWN, OWN_MOVED):
        with started(kernel, "crash_at_end", via_decompressor=arguments == OWN_MOVED) as own:
            boot(own)
            view, truth = _frozen(own)
    else:
        view, truth = snapshot(kernel, arguments, CPUS if arguments == BUSY else 1)
    linux = LinuxDetector().detect(view)
    assert linux is not None
    return Guest(view, truth, linux)


@pytest.fixture(
    scope="session",  # has pytest put the tests of one guest together
    params=[QUICK, ("6.1-cloud", OWN), *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)],
    ids=lambda one: " ".join(one).strip(),
)
def guest(request: pytest.FixtureRequest) -> Guest:
    """Every kernel; those beside the current cloud kernel are slow: they have to be fetched and booted."""
    return _guest(*request.param)


@pytest.fixture(scope="session")
def cloud_guest() -> Guest:
    return _guest(*QUICK)


@pytest.fixture(scope="session")
def busy_guest() -> Guest:
    """Six loops on four CPUs."""
    return _guest("6.1-cloud", BUSY)


@pytest.fixture(scope="session")
def own() -> OwnGuest:
    """The current cloud kernel on our own machine, with its history."""
    return _booted(QUICK[0])


@pytest.fixture
def another_future(own: OwnGuest) -> Iterator[None]:
    """What the test changes is forgotten after it: the guest goes on from `ready` as it first did."""
    yield
    own.timeline.seek(Position(own.ready))
    own.timeline.fork()


def pytest_sessionfinish() -> None:
    _machines.close()


@pytest.fixture(scope="session")
def kernel_image() -> Callable[[str], Kernel]:
    return fetch_or_skip
