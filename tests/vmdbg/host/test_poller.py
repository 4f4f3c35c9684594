"""Files that are waited for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vmdbg.host.poller import READ, WRITE, Poller


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_it_calls_back_for_what_is_ready_and_nothing_else(poller: Poller, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    called: list[tuple[str, int]] = []
    poller.watch(reader, READ, lambda events: called.append(("read", events)))
    poller.wait(0)
    assert called == []
    os.write(writer, b"!")
    poller.wait(None)
    assert called == [("read", READ)]
    poller.watch(reader, READ, lambda events: called.append(("again", events)))
    poller.wait(0)
    assert called[1:] == [("again", READ)]
    poller.forget(reader)
    poller.forget(reader)
    poller.wait(0)
    assert len(called) == 2


def test_one_that_another_has_taken_out_meanwhile_is_not_called(poller: Poller, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    called: list[int] = []

    def first(file: int) -> None:
        called.append(file)
        for end in pipe:
            poller.forget(end)

    poller.watch(reader, READ, lambda _events: first(reader))
    poller.watch(writer, WRITE, lambda _events: first(writer))
    os.write(writer, b"!")
    poller.wait(1)
    assert len(called) == 1


def test_a_wait_is_ended_from_elsewhere_also_the_next_one(poller: Poller) -> None:
    for _ in range(100_000):
        poller.wake()
    poller.wait(None)


def test_a_plain_file_is_refused(poller: Poller) -> None:
    with open(__file__) as file, pytest.raises(OSError, match="not permitted"):
        poller.watch(file.fileno(), READ, print)
