from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.x86.cpu_models import MODELS
from vmdbg.x86.cpuid import CpuidTable, build_table
from vmdbg.x86.topology import MOST_CPUS, Topology, parse_topology

parts = st.integers(1, 8)
topologies = st.builds(Topology, parts, parts, parts).filter(lambda topology: topology.cpus <= MOST_CPUS)


def tables(topology: Topology) -> list[CpuidTable]:
    return [build_table(MODELS["base"], topology=topology, cpu=cpu) for cpu in range(topology.cpus)]


def places(table: CpuidTable) -> tuple[int, int, int]:
    """Socket, core and thread as SDM 3A, example 9-3 has a guest find them from leaf 0Bh."""
    threads, _, _, apic_id = table.cpuid(0xB, 0)
    package = table.cpuid(0xB, 1)[0]
    return apic_id >> package, (apic_id & (1 << package) - 1) >> threads, apic_id & (1 << threads) - 1


@given(topologies)
def test_a_guest_finds_sockets_cores_and_threads_in_leaf_b(topology: Topology) -> None:
    found = [places(table) for table in tables(topology)]
    assert found == [
        (socket, core, thread)
        for socket in range(topology.sockets)
        for core in range(topology.cores)
        for thread in range(topology.threads)
    ]
    assert tables(topology)[0].cpuid(0xB, 0)[1] == topology.threads
    assert tables(topology)[0].cpuid(0xB, 1)[1] == topology.threads * topology.cores


@given(topologies)
def test_leaves_1_and_4_have_the_same_ids(topology: Topology) -> None:
    """SDM 3A 9.9.5: masks from the largest IDs of leaf 1 and leaf 4, for who does not know leaf 0Bh."""
    for cpu, table in enumerate(tables(topology)):
        ebx, edx = table.cpuid(1)[1], table.cpuid(1)[3]
        assert ebx >> 24 == topology.apic_id(cpu)
        logical, cores = ebx >> 16 & 0xFF, (table.cpuid(4, 0)[0] >> 26) + 1
        assert (logical.bit_length() - 1, (cores - 1).bit_length()) == (
            topology.package_shift,
            topology.package_shift - topology.thread_bits,
        )
        assert bool(edx >> 28 & 1) == (topology.cores * topology.threads > 1)
        assert [(table.cpuid(4, cache)[0] >> 14 & 0xFFF) + 1 for cache in range(3)] == [1 << topology.thread_bits] * 3


@given(topologies)
def test_apic_ids_rise_and_fit_into_eight_bits(topology: Topology) -> None:
    ids = topology.apic_ids
    assert sorted(set(ids)) == list(ids)
    assert ids[0] == 0
    assert ids[-1] < 0xFF


@given(topologies)
def test_a_topology_reads_as_it_is_written(topology: Topology) -> None:
    assert parse_topology(str(topology)) == topology


@pytest.mark.parametrize(
    ("text", "topology"),
    [
        ("1", Topology()),
        ("4", Topology(cores=4)),
        ("8,cores=4", Topology(sockets=2, cores=4)),
        ("8,cores=2,threads=2", Topology(2, 2, 2)),
        ("8,sockets=2", Topology(2, 4)),
        ("4,sockets=2,cores=1", Topology(2, 1, 2)),
        ("6,threads=2", Topology(1, 3, 2)),
    ],
)
def test_what_is_not_said_follows(text: str, topology: Topology) -> None:
    assert parse_topology(text) == topology


NONSENSE = """0|33||x|-1|4,cores=3|4,cores=4,threads=2|4,cores=2,cores=2|4,dies=2|4,cores|4,cores=0|2,cores=4
 |8,sockets=2,cores=2,threads=1|\u0664|99999999999999999999"""


@pytest.mark.parametrize("text", NONSENSE.split("|"))
def test_what_makes_no_sense_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"CPUs"):
        parse_topology(text)


def test_one_cpu_has_what_it_had_and_several_have_x2apic() -> None:
    assert "x2apic" not in build_table(MODELS["base"]).features()
    several = Topology(cores=2)
    assert {"x2apic", "ht"} <= build_table(MODELS["base"], topology=several).features()
    assert "x2apic" not in build_table(MODELS["base"], topology=several, apic=False).features()
    assert "x2apic" not in build_table(MODELS["i686"], topology=several).features()
