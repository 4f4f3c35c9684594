"""The thread that ends the run when a client speaks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from vmdbg.host.watcher import Watcher


@dataclass
class Watched:
    """A watcher of a pipe, and how often it has called back."""

    reader: int
    writer: int
    calls: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    watcher: Watcher = field(init=False)

    def __post_init__(self) -> None:
        self.watcher = Watcher(self.reader, self.calls.release)

    def called(self) -> bool:
        return self.calls.acquire(timeout=10)


@pytest.fixture
def watched() -> Iterator[Watched]:
    reader, writer = os.pipe()
    made = Watched(reader, writer)
    yield made
    made.watcher.close()
    os.close(reader)
    os.close(writer)


def test_calls_back_once_when_armed(watched: Watched) -> None:
    os.write(watched.writer, b"x")
    assert not watched.watcher.take_report()
    watched.watcher.arm()
    assert watched.called()
    assert watched.watcher.take_report()
    assert not watched.watcher.take_report()
    assert not watched.calls.acquire(blocking=False)


def test_can_be_armed_again(watched: Watched) -> None:
    os.write(watched.writer, b"x")
    for _ in range(3):
        watched.watcher.arm()
        assert watched.called()
        assert watched.watcher.take_report()


def test_close_ends_a_watcher_that_waits(watched: Watched) -> None:
    watched.watcher.arm()
    watched.watcher.close()
    watched.watcher.arm()
    assert not watched.calls.acquire(blocking=False)
