"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import linux_assets, processes
from tests.guests.build import sample_kernel

ENDING_SECONDS = 5.0
"""That the last test's processes may take."""

for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:  # under nohup, and what tests start would ignore them too
        signal.signal(_number, _handler)

_NOT_TIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("developers", _NOT_TIMED)
settings.register_profile("CI", _NOT_TIMED, derandomize=True)  # a change is judged by what it did, not by luck
settings.load_profile("CI" if os.environ.get("CI") else "developers")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A guest that cannot be had skips the test, with what to do about it."""
    del item
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: object) -> Generator[None, object, object]:
    del fixturedef
    return (yield from _skipping())


def _skipping() -> Generator[None, object, object]:
    try:
        return (yield)
    except Exception as error:
        # Tests are imported by path, so the class may exist twice.
        if type(error).__name__ == linux_assets.AssetsMissingError.__name__:
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Nothing that tests start outlives them. Other suites on the same machine have other marks."""
    mark = os.environ[processes.SUITE] = processes.new_mark()
    yield
    left = processes.left_over(processes.SUITE, mark, ENDING_SECONDS, _is_ours)
    found = "\n".join(map(str, left))
    processes.kill(left)
    assert not left, f"tests left processes behind:\n{found}"


def _is_ours(process: processes.Process) -> bool:
    """multiprocessing's own helpers end with the interpreter."""
    return "from multiprocessing." not in process.words


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample kernel, built."""
    return sample_kernel()


@pytest.fixture(scope="session")
def cloud_kernel() -> Path:
    return linux_assets.cloud_kernel()


@pytest.fixture(scope="session")
def generic_kernel() -> Path:
    return linux_assets.generic_kernel()


@pytest.fixture(scope="session")
def initrd() -> Path:
    """A busybox initrd that shows a prompt on the console."""
    return linux_assets.busybox_initrd()
