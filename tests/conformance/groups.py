"""All groups of random instructions, of 64- and of 32-bit code, with and without vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.conformance import floats, vex
from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import GROUPS, GROUPS_32
from tests.conformance.session import batch


@dataclass(frozen=True, slots=True)
class Kind:
    """Of CPUs that a group needs."""

    bits: int
    avx: bool


PLAIN, PLAIN_32, VECTORS, VECTORS_32 = Kind(64, False), Kind(32, False), Kind(64, True), Kind(32, True)


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    kind: Kind
    batch: Callable[[int], Batch]
    """Of a seed."""


ALL = (
    *(Group(name, PLAIN, partial(batch, name)) for name in GROUPS),
    *(Group(name, PLAIN_32, partial(batch, name)) for name in GROUPS_32),
    Group(vex.GROUP, VECTORS, vex.vex_batch),
    Group(floats.GROUP, VECTORS, floats.float_batch),
    Group(vex.GROUP_32, VECTORS_32, partial(vex.vex_batch, bits=32)),
    Group(floats.GROUP_32, VECTORS_32, partial(floats.float_batch, bits=32)),
)


def groups_here() -> tuple[Group, ...]:
    """Those that this machine's CPU has."""
    return tuple(group for group in ALL if not group.kind.avx or vex.host_has_avx2())


C = TypeVar("C", bound=AbstractContextManager[object])


@contextmanager
def each(make: Callable[[Kind], C]) -> Iterator[Callable[[Kind], C]]:
    """CPUs by their kind, each made when it is first asked for, and closed at the end."""
    made = dict[Kind, C]()
    with ExitStack() as stack:

        def get(kind: Kind) -> C:
            if kind not in made:
                made[kind] = make(kind)
                stack.enter_context(made[kind])
            return made[kind]

        yield get


def guest(_: Path, kind: Kind) -> GuestCpu:
    """The engine's."""
    return GuestCpu(vex.MODEL if kind.avx else "base", bits=kind.bits)


def host(scratch: Path, kind: Kind) -> HostCpu:
    """This machine's."""
    return HostCpu(scratch, avx=kind.avx, bits=kind.bits)
