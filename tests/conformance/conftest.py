"""The two sides, with vectors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.vex import MODEL


@pytest.fixture(scope="module")
def vector_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host"), avx=True) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def vector_host_32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host"), avx=True, bits=32) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def vector_guest_32() -> Iterator[GuestCpu]:
    with GuestCpu(MODEL, bits=32) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def vector_guest() -> Iterator[GuestCpu]:
    cpu = GuestCpu(MODEL)
    yield cpu
    cpu.close()
