"""A per-CPU variable's name, which is that of the CPU that is looked at, held to what the CPU itself goes by: GS."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

import vmdbg
from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from vmdbg.c.types import Kind
from vmdbg.expressions.place import Aim
from vmdbg.os.linux.kernel import PER_CPU, Kernel
from vmdbg.session.linux import need_linux
from vmdbg.session.session import Session
from vmdbg.units import Linear

pytestmark = pytest.mark.timeout(300)
CPUS = 2
NUMBERS = frozenset({Kind.INT, Kind.ENUM})


@pytest.fixture(scope="module")
def guest() -> Iterator[vmdbg.Guest]:
    try:
        kernel, initrd = cloud_kernel(), busybox_initrd()
    except AssetsMissingError as error:
        pytest.skip(str(error))
    with vmdbg.launch(kernel, initrd=initrd, cpus=CPUS, memory="128M") as made:
        made.expect("~ # ")
        made.run(2_000_000)
        yield made


def kernel_of(session: Session) -> Kernel:
    return need_linux(session.system).kernel


def of_each_cpu(kernel: Kernel) -> list[str]:
    """Those that no other symbol shares its name with."""
    table = kernel.table
    start, end = kernel.symbol("__per_cpu_start"), kernel.symbol("__per_cpu_end")
    counts = Counter(table.names)
    inside = (name for name, at in zip(table.names, table.iter_addresses(), strict=True) if start <= at < end)
    return sorted(name for name in inside if counts[name] == 1 and kernel.is_per_cpu(name))


def own_base(session: Session) -> int:
    """Of a CPU in the kernel: where its own variables are, less their offsets."""
    assert session.registers.read("cs") & 3 == 0
    return session.registers.read("gs_base")


def test_a_name_is_what_the_cpu_that_is_looked_at_has(guest: vmdbg.Guest) -> None:
    session = guest.session
    typed = [name for name in of_each_cpu(kernel_of(session)) if kernel_of(session).types.variable(name) is not None]
    chosen = ["cpu_number", "runqueues", *random.Random(1).sample(typed, 40)]
    kinds, places = set(), {}
    for cpu in guest.cpus:
        cpu.look_at()
        kernel = kernel_of(session)
        for name in chosen:
            address = own_base(session) + kernel.symbol(name) & (1 << 64) - 1
            places[cpu.number, name] = address
            assert session.place(name, aim=Aim.OBJECT).address == session.place(name).address == address, name
            assert session.integer(f"&{name}") == address
            type_ = kernel.types.variable(name)
            assert type_ is not None
            if type_.strip().kind in NUMBERS:
                kinds.add(type_.strip().kind)
                held = int.from_bytes(session.debugger.linear().read(Linear(address), type_.size), "little")
                assert session.value(f"({name}) == {held} or ({name}) == {held - (1 << 8 * type_.size)}") is True, name
        assert session.value("cpu_number == $cpu and runqueues.cpu == cpu_number") is True
    assert kinds
    assert len(set(places.values())) == len(places)


def test_conditions_are_about_the_cpu_that_comes_there(guest: vmdbg.Guest) -> None:
    session = guest.session
    for wanted in range(CPUS):
        guest.execute(f"break schedule if cpu_number == {wanted}")
        for _ in range(3):
            guest.execute("continue")
            assert session.debugger.cpu.number == wanted
            assert session.value("runqueues.cpu") == wanted
        guest.execute("delete all")


def test_what_is_watched_is_the_variable_of_the_cpu_that_was_looked_at(guest: vmdbg.Guest) -> None:
    session = guest.session
    for cpu in (1, 0):
        guest.cpus[cpu].look_at()
        address = session.integer("&runqueues.nr_switches")
        guest.execute("watch runqueues.nr_switches")
        guest.execute("continue")
        assert session.debugger.cpu.number == cpu, "who switches counts in its own queue"
        assert session.integer("&runqueues.nr_switches") == address
        guest.execute("delete all")


def test_of_one_without_a_type_it_is_said_that_its_address_is_taken(guest: vmdbg.Guest) -> None:
    session, kernel = guest.session, kernel_of(guest.session)
    untyped = [one for one in of_each_cpu(kernel) if kernel.types.variable(one) is None and one not in PER_CPU]
    chosen = [one for one in untyped if one.isidentifier()][:3]
    for name in chosen:
        address = own_base(session) + kernel.symbol(name) & (1 << 64) - 1
        assert session.integer(name) == address
        assert f"no type is known of {name}: its address is taken" in guest.execute(f"print {name} == 5")
    for bound in ("__per_cpu_start", "__per_cpu_end"):
        assert session.integer(bound) == kernel.symbol(bound)
